public import GraphIR
public import Operators
public import Tensors

/// Counts the multiply-adds of a graph's contractions (products, convolutions, attention, recurrences) from inferred shapes.
///
/// Element-wise work is not counted. A body of If or Loop counts once. Symbols stay in the result.
public struct MultiplyAdds: Sendable {
  /// The sum over all nodes whose shapes are known.
  public private(set) var total: Dim = 0
  /// By operator.
  public private(set) var byOperator: [String: Dim] = [:]
  /// Contractions whose shapes inference left open.
  public private(set) var uncounted: [NodeID] = []

  public init(_ graph: Graph, facts: (ValueID) -> ValueFacts) {
    for id in graph.allNodes {
      let node = graph[id]
      guard Contraction.isOne(node) else { continue }
      let inputs = node.inputs.map { $0.flatMap { facts($0).shape } }
      let outputs = node.outputs.map { $0.flatMap { facts($0).shape } }
      guard let count = Contraction.multiplyAdds(node, inputs: inputs, outputs: outputs) else {
        uncounted.append(id)
        continue
      }
      total = total + count
      byOperator[node.operatorName.description] = (byOperator[node.operatorName.description] ?? 0) + count
    }
  }
}
