import GraphIR
import Tensors

/// Times of steps over any number of runs.
public final class Profile: Sendable {
  public struct Event: Sendable {
    public let label: String
    public let operatorName: OperatorName
    public let origins: Origins
    public let provider: String
    public let kernel: String
    /// What the step had to do; nil where shapes do not tell.
    public let work: StepWork?
    /// Monotonic nanoseconds.
    public let start: UInt64
    public let end: UInt64
  }

  /// Time of several steps together.
  public struct Total: Sendable {
    public let name: String
    public let calls: Int
    public let nanoseconds: UInt64
  }

  private let sourceNodes: [SourceNode]
  private let state = Mutex<[[Event]]>([])

  /// `model` names the original nodes that steps stand for.
  public init(_ model: Model) { sourceNodes = model.sourceNodes }

  func add(_ run: [Event]) { state.withLock { $0.append(run) } }

  /// By run.
  public var runs: [[Event]] { state.withLock { $0 } }

  /// The names of the source nodes behind an event; its own label where they have none.
  public func originNames(_ event: Event) -> [String] {
    let names = event.origins.indices.compactMap { index -> String? in
      guard Int(index) < sourceNodes.count else { return nil }
      let node = sourceNodes[Int(index)]
      return node.name.isEmpty ? nil : node.name
    }
    return names.isEmpty ? [event.label] : names
  }

  /// Time by operator, largest first.
  public var byOperator: [Total] { totals { "\($0.operatorName)" } }
  /// Time by original nodes, largest first.
  public var byNode: [Total] { totals { self.originNames($0).joined(separator: " + ") } }
  /// Time by provider and kernel, largest first.
  public var byKernel: [Total] { totals { "\($0.provider): \($0.kernel)" } }

  private func totals(_ key: (Event) -> String) -> [Total] {
    var sums: [String: (Int, UInt64)] = [:]
    for event in runs.joined() {
      let old = sums[key(event)] ?? (0, 0)
      sums[key(event)] = (old.0 + 1, old.1 + (event.end - event.start))
    }
    return sums.map { Total(name: $0.key, calls: $0.value.0, nanoseconds: $0.value.1) }
      .sorted { ($0.nanoseconds, $1.name) > ($1.nanoseconds, $0.name) }
  }
}

/// Collects one run's events.
final class Recorder {
  private let profile: Profile
  private var events: [Profile.Event] = []

  init(_ profile: Profile) { self.profile = profile }

  func note(_ step: ExecutionPlan.Assignment, start: UInt64, end: UInt64) {
    events.append(
      Profile.Event(
        label: step.label, operatorName: step.operatorName, origins: step.origins, provider: step.provider,
        kernel: step.kernel, work: step.work, start: start, end: end))
  }

  func finish() {
    profile.add(events)
    events = []
  }
}

enum JSONText {
  /// A JSON string literal.
  static func quote(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 32:
        let hex = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
