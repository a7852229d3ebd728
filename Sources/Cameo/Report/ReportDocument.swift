public import PassKit

/// How a plan fills its arena over its steps, for the picture in the report.
public struct MemoryTimeline: Sendable {
  public struct Block: Sendable {
    public var label: String
    public var offset: Int
    public var size: Int
    /// First and last step (inclusive) between which it is taken.
    public var first: Int
    public var last: Int
    public var isScratch: Bool

    public init(label: String, offset: Int, size: Int, first: Int, last: Int, isScratch: Bool) {
      self.label = label
      self.offset = offset
      self.size = size
      self.first = first
      self.last = last
      self.isScratch = isScratch
    }
  }

  /// Size of the arena in bytes.
  public var peakBytes: Int
  /// All buffers without any sharing.
  public var sumBytes: Int
  /// The largest sum of bytes that live at one step.
  public var lowerBound: Int
  public var blocks: [Block]
  /// What the plan was made for: `batch=1`.
  public var signature: String

  public init(peakBytes: Int, sumBytes: Int, lowerBound: Int, blocks: [Block], signature: String = "") {
    self.peakBytes = peakBytes
    self.sumBytes = sumBytes
    self.lowerBound = lowerBound
    self.blocks = blocks
    self.signature = signature
  }

  /// Number of steps.
  public var stepCount: Int { (blocks.map(\.last).max() ?? -1) + 1 }

  /// Bytes that live at each step.
  public var liveBytes: [Int] {
    var change = [Int](repeating: 0, count: stepCount + 1)
    for block in blocks {
      change[block.first] += block.size
      change[block.last + 1] -= block.size
    }
    var live = 0
    return change.dropLast().map {
      live += $0; return live
    }
  }
}

/// A report with what stands around it: what JSON, Markdown and HTML are written from.
public struct ReportDocument: Sendable {
  public var report: OptimizationReport
  /// The optimized file; "" where none was written.
  public var output: String
  /// Opset and size of the optimized file.
  public var outputOpset: Int?
  public var outputBytes: Int?
  /// Size of the packed weights beside it, and what they were made for; nil where there are none.
  public var packedBytes: Int?
  public var packing: String?
  public var memory: MemoryTimeline?

  public init(_ report: OptimizationReport, output: String = "", memory: MemoryTimeline? = nil) {
    self.report = report
    self.output = output
    self.memory = memory
  }

  /// The model's file name, with its folder's: many files are called `model.onnx`.
  var title: String {
    let parts = report.model.split(separator: "/").filter { $0 != "." && $0 != ".." }
    return parts.isEmpty ? "model" : parts.suffix(2).joined(separator: "/")
  }

  /// Fusions of one rule that look the same.
  struct FusionGroup {
    let pass: String
    let rule: String
    let operatorName: String
    var members: [FusionRecord]
    var example: FusionRecord { members[0] }
  }

  /// By pass and rule in order of first appearance; the most frequent forms of a rule first.
  var fusionGroups: [FusionGroup] {
    var order: [String] = []
    var groups: [String: FusionGroup] = [:]
    var ruleOrder: [String: Int] = [:]
    for fusion in report.fusions {
      let key = "\(fusion.pass)|\(fusion.rule)|\(fusion.operatorName)|\(form(fusion.before))|\(form(fusion.after))"
      if ruleOrder[fusion.pass + fusion.rule] == nil { ruleOrder[fusion.pass + fusion.rule] = ruleOrder.count }
      if groups[key] == nil {
        order.append(key)
        groups[key] = FusionGroup(pass: fusion.pass, rule: fusion.rule, operatorName: fusion.operatorName, members: [])
      }
      groups[key]?.members.append(fusion)
    }
    return order.enumerated().compactMap { place, key in groups[key].map { (place, $0) } }
      .sorted { a, b in
        let (x, y) = (ruleOrder[a.1.pass + a.1.rule] ?? 0, ruleOrder[b.1.pass + b.1.rule] ?? 0)
        return (x, b.1.members.count, a.0) < (y, a.1.members.count, b.0)
      }.map(\.1)
  }

  /// Operators and edges, without names and values.
  private func form(_ nodes: [SubgraphNode]) -> String {
    var producers: [String: Int] = [:]
    for (index, node) in nodes.enumerated() { for output in node.outputs { producers[output] = index } }
    return nodes.map { node in
      let inputs = node.inputs.enumerated().map { index, name in
        if node.constantInputs.contains(index) { return "c" }
        return producers[name].map(String.init) ?? "x"
      }
      return "\(node.type)(\(inputs.joined(separator: ",")))"
    }.joined(separator: ";")
  }

  /// Near misses of one rule for one reason.
  struct MissGroup {
    let pass: String
    let rule: String
    let reason: String
    var members: [NearMiss]
  }

  /// The most frequent reasons first.
  var missGroups: [MissGroup] {
    var order: [String] = []
    var groups: [String: MissGroup] = [:]
    for miss in report.nearMisses {
      let key = "\(miss.pass)|\(miss.rule)|\(miss.reason)"
      if groups[key] == nil {
        order.append(key)
        groups[key] = MissGroup(pass: miss.pass, rule: miss.rule, reason: miss.reason, members: [])
      }
      groups[key]?.members.append(miss)
    }
    return order.enumerated().compactMap { place, key in groups[key].map { (place, $0) } }
      .sorted { (-$0.1.members.count, $0.0) < (-$1.1.members.count, $1.0) }.map(\.1)
  }

  /// How often each operator was made by a fusion, most frequent first.
  public var fusedOperators: [(name: String, count: Int)] {
    var counts: [String: Int] = [:]
    for fusion in report.fusions { counts[fusion.operatorName, default: 0] += 1 }
    return counts.map { ($0.key, $0.value) }.sorted { (-$0.1, $0.0) < (-$1.1, $1.0) }
  }
}
