import GraphIR
import Operators

/// What can be told of a pattern without searching: most nodes are turned away by a look at their neighbours.
struct PatternOutline: Sendable {
  /// Operators that the first result's node may have, canonical respellings included.
  let anchors: Set<OperatorName>
  /// For each node that a match must have, the operators one of which the graph must hold.
  private let needed: [Set<OperatorName>]
  /// The operators of nodes that must compute an operand of the anchor.
  private let neighbours: [Set<OperatorName>]

  init(_ pattern: Pattern) {
    let required = pattern.nodes.filter { !$0.isOptional }
    needed = required.map { Self.spellings($0.operators) }
    guard let result = pattern.results.first, let anchor = pattern.nodes.first(where: { $0.outputs.contains(result) })
    else {
      anchors = []
      neighbours = []
      return
    }
    anchors = Self.spellings(anchor.operators)
    // What fails behind the key node is told as a near miss, so it has to be searched.
    guard !anchor.isKey, !anchor.isOptional else {
      neighbours = []
      return
    }
    neighbours = anchor.inputs.compactMap { input in
      guard case .value(let name) = input else { return nil }
      return required.first { $0.outputs.contains(name) }.map { Self.spellings($0.operators) }
    }
  }

  /// The operators whose nodes `CanonicalView` may show as one of `operators`.
  private static func spellings(_ operators: [OperatorName]) -> Set<OperatorName> {
    var result = Set(operators)
    if result.contains(OperatorName("Mul")) { result.formUnion([OperatorName("Div"), OperatorName("Pow")]) }
    if operators.contains(OperatorName("Add")) { result.formUnion([OperatorName("Sub"), OperatorName("Sum")]) }
    if operators.contains(OperatorName("Pow")) { result.insert(OperatorName("Mul")) }
    return result
  }

  /// The same for operators as a rule's text has them: numbers that divide or are subtracted are matched as factors and summands.
  static func written(_ operators: [OperatorName]) -> Set<OperatorName> {
    var all = operators
    if operators.contains(OperatorName("Div")) { all.append(OperatorName("Mul")) }
    if operators.contains(OperatorName("Sub")) { all.append(OperatorName("Add")) }
    return spellings(all)
  }

  func mayApply(to operators: Set<OperatorName>) -> Bool { needed.allSatisfy { !$0.isDisjoint(with: operators) } }

  func mayMatch(at id: NodeID, _ context: PassContext) -> Bool {
    if neighbours.isEmpty { return true }
    let graph = context.graph
    let producers = graph[id].inputs.compactMap { graph.producer($0).map { graph[$0].operatorName } }
    return neighbours.allSatisfy { wanted in producers.contains { wanted.contains($0) } }
  }
}
