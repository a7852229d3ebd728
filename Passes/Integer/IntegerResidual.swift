import GraphIR
import Operators
import PassKit
import Tensors

/// Before: `Add(ai.cameo.IntegerMatMul(x, s, z, W, w), r)`. After: `ai.cameo.IntegerMatMul(x, s, z, W, w, , , , , r)`.
struct IntegerResidual: RewriteRule {
  let name = "IntegerResidual"
  let anchors: Set<OperatorName> = [OperatorName("Add")]

  private static let products: Set<OperatorName> = [
    OperatorName("IntegerMatMul", domain: "ai.cameo"), OperatorName("IntegerConv", domain: "ai.cameo"),
  ]
  /// Where the inputs of a product that only some have begin, and Z.
  private static let (scale, residual) = (7, 9)

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let graph = context.graph
    let sum = graph[id]
    guard let output = sum.output(0) else { return nil }
    for (index, other) in [(0, 1), (1, 0)] {
      guard let value = sum.input(index), let added = sum.input(other), value != added,
        let producer = graph.producer(value), graph.hasSingleUse(value),
        IntegerResidual.products.contains(graph[producer].operatorName), graph[producer].region == sum.region
      else { continue }
      let product = graph[producer]
      guard product.inputs.dropFirst(IntegerResidual.scale).allSatisfy({ $0 == nil }),
        try AttributeReader(product).string("activation", default: "").isEmpty,
        graph.constant(added) == nil, context.dataType(added) == .float,
        let shape = context.shape(value), shape == context.shape(added), shape == context.shape(output)
      else { continue }
      var change = GraphChange(rule: name, covers: [producer, id], isFusion: true)
      var inputs = product.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      inputs += [GraphChange.Ref?](repeating: nil, count: max(0, IntegerResidual.residual - inputs.count))
      inputs = Array(inputs[..<IntegerResidual.residual]) + [.existing(added)]
      change.replace(
        output, with: change.node(product.type, domain: "ai.cameo", inputs, product.attributes, name: product.name))
      return change
    }
    return nil
  }
}
