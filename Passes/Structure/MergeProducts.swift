import GraphIR
import Operators
import PassKit
import Tensors

/// Products of one value with several constant weights become one product and a Split.
///
/// Before: `q = Add(MatMul(x, Wq), bq)`, `k = Add(MatMul(x, Wk), bk)`, `v = Add(MatMul(x, Wv), bv)`.
/// After: `q, k, v = Split<axis = -1>(Add(MatMul(x, [Wq Wk Wv]), [bq bk bv]))`. Gemm and Conv likewise; an activation that all of
/// them share stays in front of the Split. Two bare products stay unless the pass is named by `--enable`: no node is saved, and
/// one product with its Split takes 1.01 to 1.04 times as long in ONNX Runtime and 0.99 to 1.03 here (gate and up of 576 by 1536 to 2048
/// by 8192, 1 to 128 rows). So do Convs of images in files: ONNX Runtime runs them in a blocked layout that a Split leaves (1.03 for
/// Inception); what runs here merges them (0.98).
public enum MergeProducts {
  public static let pass = RewritePass(
    "MergeProducts", level: 2, summary: "merges products of one value with several weights into one and a Split",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "MergeProducts"
    let anchors: Set<OperatorName> = Set(ParallelProduct.kinds.map { OperatorName($0) })

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let data = graph[id].input(0), graph.constant(data) == nil else { return nil }
      let beside = graph.consumers(data).filter {
        graph[$0].operatorName == graph[id].operatorName && graph[$0].region == graph[id].region
          && graph[$0].input(0) == data && graph.constant(graph[$0].input(1)) != nil
      }
      guard beside.count >= 2, let mine = try ParallelProduct(id, context) else { return nil }
      var products = beside.sorted().compactMap { (try? ParallelProduct($0, context)).flatMap { $0 } }
        .filter { mine.fits($0, context) }
      guard products.count >= 2, products[0].node == id else { return nil }
      let activation = sharedActivation(products, context)
      if activation == nil {
        // An activation behind one product alone is what runtimes put into it.
        for product in products where product.activation != nil && graph[product.node].is("Conv") {
          throw Refusal("the products have different activations behind them", at: product.activation)
        }
        for index in products.indices { products[index].activation = nil }
      }
      let hasBias = products.contains { $0.bias != nil }
      let before = products.reduce(0) { $0 + $1.nodes.count }
      let after = 2 + (mine.isMatMul(graph) && hasBias ? 1 : 0) + (activation == nil ? 0 : 1)
      let isAsked = context.options.enabled.contains(MergeProducts.pass.name)
      if after > before || after == before && !isAsked { return nil }
      let runsHere = context.options.level >= 3 || context.options.target == .cameo
      guard runsHere || isAsked || !graph[id].is("Conv") || context.rank(data) != 4 else {
        throw Refusal(
          "ONNX Runtime runs these convolutions in a blocked layout, which the Split would leave (--enable merges them)",
          at: id)
      }
      return try merged(products, activation, context)
    }

    /// The one activation, of equal attributes, behind every product.
    private func sharedActivation(_ products: [ParallelProduct], _ context: PassContext) -> Node? {
      guard let first = products[0].activation.map({ context.graph[$0] }) else { return nil }
      let areEqual = products.allSatisfy { product in
        product.activation.map {
          context.graph[$0].operatorName == first.operatorName
            && Movement.haveSameAttributes(context.graph[$0], first)
        } ?? false
      }
      return areEqual ? first : nil
    }

    private func merged(
      _ products: [ParallelProduct], _ activation: Node?, _ context: PassContext
    ) throws -> GraphChange? {
      let graph = context.graph
      let first = products[0]
      let node = graph[first.node]
      var change = GraphChange(
        rule: name, covers: products.flatMap(\.nodes), isFusion: true, region: node.region)
      let weight = change.constant(try Movement.joined(products.map(\.weight), axis: first.weightAxis))
      var bias: GraphChange.Ref?
      if products.contains(where: { $0.bias != nil }) {
        let type = products.lazy.compactMap(\.bias?.dataType).first ?? first.weight.dataType
        guard products.allSatisfy({ $0.bias.map { $0.dataType == type } ?? true }) else { return nil }
        let parts = try products.map { try $0.bias ?? Tensor.makeRaw(type, [$0.channels]) { _ in } }
        bias = change.constant(try Movement.joined(parts, axis: 0))
      }
      var inputs: [GraphChange.Ref?] = [.existing(first.data), weight]
      if !first.isMatMul(graph), let bias { inputs.append(bias) }
      var result = change.node(node.type, inputs, node.attributes.filter { $0.name != "kernel_shape" }, name: node.name)
      if first.isMatMul(graph), let bias {
        result = change.node("Add", [result, bias], covers: products.compactMap(\.sum))
      }
      if let activation {
        result = change.node(
          activation.type, [result], activation.attributes, covers: products.compactMap(\.activation))
      }
      let sizes = change.constant(try .ints(products.map(\.channels)))
      let outputs = change.nodes(
        "Split", [result, sizes], [NamedAttribute("axis", .int(Int64(first.outputAxis)))], outputs: products.count,
        covers: [])
      for (product, output) in zip(products, outputs) {
        guard let old = product.result(context) else { return nil }
        change.replace(old, with: output)
      }
      return change
    }
  }
}

extension ParallelProduct {
  func isMatMul(_ graph: Graph) -> Bool { graph[node].is("MatMul") }
}
