/// What a machine can do at most with a number of threads.
public struct Ceilings: Sendable {
  /// The rate at which `bytes` of memory in all are read again and again.
  public struct Read: Sendable {
    public let bytes: Int
    public let bytesPerSecond: Double

    public init(bytes: Int, bytesPerSecond: Double) {
      self.bytes = bytes
      self.bytesPerSecond = bytesPerSecond
    }
  }

  /// Float32 multiply-adds in registers, two operations each.
  public var operationsPerSecond: Double
  /// By ascending size.
  public var reads: [Read]

  public init(operationsPerSecond: Double, reads: [Read]) {
    self.operationsPerSecond = operationsPerSecond
    self.reads = reads
  }

  /// The best rate measured for at least so many bytes; between two sizes by the logarithm of the size; past the largest its rate.
  public func bytesPerSecond(within bytes: Double) -> Double {
    func best(from index: Int) -> Double { reads[index...].reduce(0) { max($0, $1.bytesPerSecond) } }
    guard let above = reads.firstIndex(where: { Double($0.bytes) >= bytes }) else {
      return reads.last?.bytesPerSecond ?? .infinity
    }
    guard above > 0, bytes > 0 else { return best(from: above) }
    // The logarithm, straight between powers of two.
    func log(_ value: Double) -> Double { Double(value.exponent) + value.significand - 1 }
    let (low, high) = (log(Double(reads[above - 1].bytes)), log(Double(reads[above].bytes)))
    let part = (log(bytes) - low) / max(high - low, 1e-9)
    return best(from: above - 1) * (1 - part) + best(from: above) * part
  }
}

/// How close recorded steps came to the ceiling that binds them.
///
/// The least time of a step is the larger of its operations at the multiply-add ceiling and its bytes at the read ceilings: weights
/// at that of all the weights and the arena together (between two runs of a step everything else passes through the caches), other
/// operands at that of the step's own bytes.
public struct Roofline: Sendable {
  public struct Line: Sendable {
    public let name: String
    public let operatorName: String
    public let kernel: String
    public internal(set) var calls = 0
    public internal(set) var nanoseconds: UInt64 = 0
    public internal(set) var work = StepWork()
    /// Least time by operations, and by bytes.
    public internal(set) var computeSeconds = 0.0
    public internal(set) var memorySeconds = 0.0
    /// The sum over steps of the larger of the two.
    public internal(set) var leastSeconds = 0.0
    /// False where the work of a step is not known: the rates and the share say nothing then.
    public internal(set) var isKnown = true

    public var seconds: Double { Double(nanoseconds) * 1e-9 }
    public var operationsPerSecond: Double { seconds > 0 ? work.operations / seconds : 0 }
    public var bytesPerSecond: Double { seconds > 0 ? work.bytes / seconds : 0 }
    /// Least time by time.
    public var share: Double? { isKnown && seconds > 0 ? leastSeconds / seconds : nil }
    public var isBoundByMemory: Bool { memorySeconds > computeSeconds }
  }

  public let ceilings: Ceilings
  /// Steps by the nodes that they stand for and their kernel, the longest first; figures are sums over all recorded runs.
  public let steps: [Line]
  /// By provider and kernel.
  public let kernels: [Line]
  /// Everything.
  public let total: Line
  public let runs: Int

  /// `arenaBytes`: what the plan takes for intermediates.
  public init(_ profile: Profile, ceilings: Ceilings, arenaBytes: Int) {
    self.ceilings = ceilings
    let runs = profile.runs
    self.runs = runs.count
    let weights = (runs.first ?? []).reduce(0.0) { $0 + ($1.work?.constantBytes ?? 0) }
    let constantRate = ceilings.bytesPerSecond(within: weights + Double(arenaBytes))
    var (steps, kernels): ([String: Line], [String: Line]) = ([:], [:])
    var total = Line(name: "all", operatorName: "", kernel: "")
    for event in runs.joined() {
      let nodes = profile.originNames(event).joined(separator: " + ")
      let kernel = "\(event.provider): \(event.kernel)"
      let step = Line(name: nodes, operatorName: "\(event.operatorName)", kernel: kernel)
      func add(_ line: inout Line) {
        line.calls += 1
        line.nanoseconds += event.end - event.start
        guard let work = event.work else {
          line.isKnown = false
          return
        }
        let compute = work.operations / ceilings.operationsPerSecond
        let memory =
          work.constantBytes / constantRate + work.movedBytes / ceilings.bytesPerSecond(within: work.bytes)
        line.work.operations += work.operations
        line.work.constantBytes += work.constantBytes
        line.work.movedBytes += work.movedBytes
        line.computeSeconds += compute
        line.memorySeconds += memory
        line.leastSeconds += max(compute, memory)
      }
      add(&steps["\(event.label)|\(nodes)|\(kernel)", default: step])
      add(&kernels[kernel, default: Line(name: kernel, operatorName: "", kernel: kernel)])
      add(&total)
    }
    func sorted(_ lines: [String: Line]) -> [Line] {
      lines.values.sorted { ($0.nanoseconds, $1.name) > ($1.nanoseconds, $0.name) }
    }
    self.steps = sorted(steps)
    self.kernels = sorted(kernels)
    self.total = total
  }
}
