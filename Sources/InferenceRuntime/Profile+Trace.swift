extension Profile {
  /// The trace format of chrome://tracing and Perfetto, as one JSON document: a process for each run, a thread in it for each provider,
  /// microseconds from the first step on.
  public func traceJSON() -> String {
    let runs = self.runs
    let zero = runs.joined().map(\.start).min() ?? 0
    var lines: [String] = []
    for (index, run) in runs.enumerated() {
      let process = index + 1
      lines.append(Self.title("process_name", "run \(process)", process, thread: 0))
      var providers: [String] = []
      for event in run where !providers.contains(event.provider) { providers.append(event.provider) }
      for (index, provider) in providers.enumerated() {
        lines.append(Self.title("thread_name", provider, process, thread: index + 1))
        for (event, start) in Self.nested(run.filter { $0.provider == provider }) {
          lines.append(line(event, start, zero, process, thread: index + 1))
        }
      }
    }
    return "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n\(lines.joined(separator: ",\n"))\n]}\n"
  }

  /// Events in order of time with the times at which they begin: within another one or behind it. Viewers drop events that overlap in
  /// part, as those of a device do by a rounding of its clock.
  private static func nested(_ events: [Event]) -> [(event: Event, start: UInt64)] {
    var open: [UInt64] = []
    return events.sorted { ($0.start, $1.end) < ($1.start, $0.end) }.map { event in
      var start = event.start
      while let end = open.last, end < event.end || end <= start {
        start = max(start, end)
        open.removeLast()
      }
      open.append(event.end)
      return (event, min(start, event.end))
    }
  }

  private static func title(_ kind: String, _ name: String, _ process: Int, thread: Int) -> String {
    "{\"name\":\"\(kind)\",\"ph\":\"M\",\"pid\":\(process),\"tid\":\(thread),\"args\":{\"name\":\(JSONText.quote(name))}}"
  }

  private func line(_ event: Event, _ start: UInt64, _ zero: UInt64, _ process: Int, thread: Int) -> String {
    let names = originNames(event)
    let type = JSONText.quote("\(event.operatorName)")
    return
      "{\"name\":\(JSONText.quote(names.first ?? event.label)),\"cat\":\(type),\"ph\":\"X\",\"pid\":\(process),\"tid\":\(thread),"
      + "\"ts\":\(Self.microseconds(start - zero)),\"dur\":\(Self.microseconds(event.end - start)),\"args\":{\"operator\":\(type),"
      + "\"provider\":\(JSONText.quote(event.provider)),\"kernel\":\(JSONText.quote(event.kernel)),"
      + "\"origins\":[\(names.map(JSONText.quote).joined(separator: ","))]}}"
  }

  private static func microseconds(_ nanoseconds: UInt64) -> String {
    let part = String(nanoseconds % 1000)
    return "\(nanoseconds / 1000)." + String(repeating: "0", count: 3 - part.count) + part
  }
}
