import GraphIR
import Operators
import Tensors

/// Finds the small integer inputs that alone (with constants) decide an If: a sampling rate, a switch.
enum DecisiveInputs {
  /// Most elements of such an input.
  static let countLimit = 8
  private static let depthLimit = 64

  /// Positions of the main region's inputs.
  static func find(_ graph: Graph) -> Set<Int> {
    var result: Set<Int> = []
    let inputs = graph.inputs
    for id in graph.nodes where graph[id].is("If") {
      guard let condition = graph[id].input(0), let leaves = leaves(condition, graph) else { continue }
      for leaf in leaves { if let index = inputs.firstIndex(of: leaf) { result.insert(index) } }
    }
    return result
  }

  /// The graph inputs that `value` is computed from; nil where one of them is no small integer or boolean tensor.
  private static func leaves(_ value: ValueID, _ graph: Graph) -> Set<ValueID>? {
    var leaves: Set<ValueID> = []
    var seen: Set<ValueID> = []
    var work = [value]
    while let next = work.popLast() {
      guard seen.insert(next).inserted else { continue }
      if graph[next].isConstant { continue }
      if let producer = graph.producer(next) {
        let node = graph[producer]
        // Shapes are known to any plan: what has them read does not matter.
        if node.is("Shape") || node.is("Size") { continue }
        guard node.regions.isEmpty, seen.count < depthLimit, let op = OperatorRegistry[node.operatorName],
          !op.traits.contains(.random)
        else { return nil }
        work.append(contentsOf: node.inputs.compactMap { $0 })
        continue
      }
      guard let type = graph[next].type, let element = type.dataType, element.isInteger || element == .bool,
        let shape = type.concreteShape, let count = try? Tensor.elementCount(shape), count <= countLimit
      else { return nil }
      leaves.insert(next)
    }
    return leaves
  }
}
