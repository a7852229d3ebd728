import GraphIR
import Operators
import PassKit
import Quantization
import Tensors

/// Checks each change of each pass where it happens: computes the new nodes from recorded values of the source and holds what
/// they give against the values whose place they take.
///
/// Costs the memory of all values of the main graph, and the time of the changed nodes alone. A change inside a body is checked
/// by running the node that has the body. What cannot be told (random operators, values that were never recorded) is counted.
final class ChangeVerifier: ChangeAuditor {
  private var records: [[ValueID: Value]]
  private let functions: [Function]
  private let tolerance: Double
  /// A number between two codes may go to either one.
  private let quantizes: Bool
  /// What the running pass has recorded, in case that it is rolled back.
  private var journal: [ValueID] = []
  private var pass = ""
  /// Values that were computed anew and compared, and changes that gave none to compare.
  private(set) var compared = 0
  private(set) var unchecked = 0
  /// Passes with a change that made a difference.
  private(set) var culprits: [String] = []

  /// `records`: for each case, the values of the main region.
  init(records: [[ValueID: Value]], functions: [Function], tolerance: Double, quantizes: Bool) {
    self.quantizes = quantizes
    self.records = records
    self.functions = functions
    self.tolerance = tolerance
  }

  func willRun(_ pass: String) {
    self.pass = pass
    journal = []
  }

  func didRun(_ pass: String, rolledBack: Bool) {
    guard rolledBack else { return }
    for value in journal { for index in records.indices { records[index][value] = nil } }
  }

  func didCompact(_ renumbering: [Int32]) {
    for index in records.indices {
      var moved: [ValueID: Value] = [:]
      for (id, value) in records[index] where Int(id.index) < renumbering.count && renumbering[Int(id.index)] >= 0 {
        moved[ValueID(Int(renumbering[Int(id.index)]))] = value
      }
      records[index] = moved
    }
  }

  func check(_ graph: Graph, rule: String, _ change: AppliedChange, edited: [NodeID]) throws {
    var options = GraphEvaluator.Options()
    options.keepsAll = true
    let evaluator = GraphEvaluator(graph, functions: functions, options: options)
    let work = nodes(change.added + edited, graph)
    let before = compared
    do {
      for sample in records.indices {
        try recompute(work, sample, graph, evaluator)
        for (old, new) in change.replaced {
          guard let expected = records[sample][old],
            let found = records[sample][new] ?? graph[new].constant
          else { continue }
          try compare(expected, found, graph[new].name)
          if records[sample][new] == nil { record(found, for: new, sample) }
        }
      }
    } catch {
      culprits.append(pass)
      throw error
    }
    if compared == before { unchecked += 1 }
  }

  /// The nodes of the main region that are, or have bodies with, the given ones: in the graph's order where it can be told.
  private func nodes(_ ids: [NodeID], _ graph: Graph) -> [NodeID] {
    var seen: Set<NodeID> = []
    return ids.compactMap { id in
      var current = id
      guard graph[current].isAlive else { return nil }
      while graph[current].region != .main {
        guard let owner = graph[graph[current].region].parent else { return nil }
        current = owner
      }
      return seen.insert(current).inserted ? current : nil
    }
  }

  /// Computes each node as soon as all that it reads is known.
  private func recompute(_ work: [NodeID], _ sample: Int, _ graph: Graph, _ evaluator: GraphEvaluator) throws {
    var pending = work.filter { !isRandom(graph[$0]) }
    var isProgress = true
    while isProgress, !pending.isEmpty {
      isProgress = false
      var left: [NodeID] = []
      for id in pending {
        let needed =
          graph[id].inputs.compactMap { $0 } + graph[id].regions.flatMap { graph.capturedValues(of: $0) }
        guard needed.allSatisfy({ records[sample][$0] != nil || graph[$0].isConstant }) else {
          left.append(id)
          continue
        }
        isProgress = true
        let results = try evaluator.evaluate(id) { records[sample][$0] ?? graph[$0].constant }
        for (output, found) in zip(graph[id].outputs, results) {
          guard let output, let found else { continue }
          if let expected = records[sample][output] {
            try compare(expected, found, graph[output].name)
          } else {
            record(found, for: output, sample)
          }
        }
      }
      pending = left
    }
  }

  private func isRandom(_ node: Node) -> Bool {
    OperatorRegistry[node.operatorName]?.traits.contains(.random) ?? false
  }

  private func record(_ value: Value, for id: ValueID, _ sample: Int) {
    records[sample][id] = value
    journal.append(id)
  }

  /// True for what neighbouring codes explain: integers that differ by one, floats made of them with an error 40 dB below the signal.
  private func isRounding(_ expected: Value, _ closeness: Closeness) -> Bool {
    guard quantizes, let type = expected.tensor?.dataType else { return false }
    return type == .uint8 || type == .int8 ? closeness.maxAbs <= 1 : type.isFloatingPoint && closeness.sqnrDecibel > 40
  }

  private func compare(_ expected: Value, _ found: Value, _ name: String) throws {
    compared += 1
    let closeness = Closeness.between(expected, found)
    guard closeness.maxRel > tolerance, !isRounding(expected, closeness) else { return }
    throw CameoError(
      .invariant,
      "the value \(name) changes: max|a-b| / max|a| is \(Figures.short(closeness.maxRel)), allowed \(Figures.short(tolerance))"
    )
  }
}
