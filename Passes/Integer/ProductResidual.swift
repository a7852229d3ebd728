import GraphIR
import Operators
import PassKit
import Tensors

/// Before: `Add(ai.cameo.IntegerMatMul(x, s, z, W, w), r)`. After: `ai.cameo.IntegerMatMul(x, s, z, W, w, , , , , r)`.
struct ProductResidual: RewriteRule {
  /// Where a product's inputs behind the bias begin, all of which are absent, and where what is added goes.
  struct Places {
    let absent: Int
    let residual: Int
  }

  let name: String
  let anchors: Set<OperatorName> = [OperatorName("Add")]
  /// Of the domain ai.cameo.
  let products: [String: Places]

  static let integers = ProductResidual(
    name: "IntegerResidual",
    products: ["IntegerMatMul": Places(absent: 7, residual: 9), "IntegerConv": Places(absent: 7, residual: 9)])

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let graph = context.graph
    let sum = graph[id]
    guard let output = sum.output(0) else { return nil }
    for (index, other) in [(0, 1), (1, 0)] {
      guard let value = sum.input(index), let added = sum.input(other), value != added,
        let producer = graph.producer(value), graph.hasSingleUse(value),
        graph[producer].domain == "ai.cameo", let places = products[graph[producer].type],
        graph[producer].region == sum.region
      else { continue }
      let product = graph[producer]
      guard product.inputs.dropFirst(places.absent).allSatisfy({ $0 == nil }),
        try AttributeReader(product).string("activation", default: "").isEmpty,
        graph.constant(added) == nil, context.dataType(added) == context.dataType(value),
        context.dataType(added)?.isFloatingPoint ?? false,
        let shape = context.shape(value), shape == context.shape(added), shape == context.shape(output)
      else { continue }
      var change = GraphChange(rule: name, covers: [producer, id], isFusion: true)
      var inputs = product.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      inputs += [GraphChange.Ref?](repeating: nil, count: max(0, places.residual - inputs.count))
      inputs = Array(inputs[..<places.residual]) + [.existing(added)]
      change.replace(
        output, with: change.node(product.type, domain: "ai.cameo", inputs, product.attributes, name: product.name))
      return change
    }
    return nil
  }
}
