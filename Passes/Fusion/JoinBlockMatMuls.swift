import GraphIR
import Operators
import PassKit
import Tensors

/// Products of one value with several quantized weights become one node, which computes them in one step. The result runs in Cameo only
/// (domain ai.cameo).
///
/// Before: `gate = ai.cameo.BlockMatMul(x, Wg, sg)`, `up = ai.cameo.BlockMatMul(x, Wu, su)`.
/// After: `gate, up = ai.cameo.BlockMatMuls(x, Wg, sg, Wu, su)`.
/// The same for com.microsoft.MatMulNBits, whose packed bytes are read under the types of ONNX.
/// No weight is copied, and each result is written where it will be read. A token's product takes some ten microseconds, of which the
/// threads' meeting and the memory's start are a part: a decoder of 135 million weights of 4 bits takes 0.9 of the time.
public enum JoinBlockMatMuls {
  public static let pass = RewritePass(
    "JoinBlockMatMuls", level: 3, summary: "computes products of one value with several quantized weights in one step",
    rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "BlockMatMuls"
    let anchors = BlockProductOperands.anchors

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard context.options.target != .ort, let data = graph[id].input(0), context.dataType(data) == .float else {
        return nil
      }
      let beside = Set(graph.consumers(data)).sorted().filter {
        anchors.contains(graph[$0].operatorName) && graph[$0].region == graph[id].region && graph[$0].input(0) == data
      }
      guard beside.count >= 2 else { return nil }
      let mine = try BlockProductOperands(id, context)
      let products = beside.compactMap { node -> (id: NodeID, operands: BlockProductOperands)? in
        guard let operands = try? BlockProductOperands(node, context), operands.form == mine.form else { return nil }
        return (node, operands)
      }
      guard products.count >= 2 else {
        throw Refusal("the products of this value have weights of different forms", at: id)
      }
      guard products[0].id == id else { return nil }
      var change = GraphChange(
        rule: name, covers: products.map(\.id), isFusion: true, region: graph[id].region)
      var inputs: [GraphChange.Ref?] = [.existing(data)]
      for operand in products.flatMap(\.operands.operands) {
        switch operand {
        case .existing(let value): inputs.append(.existing(value))
        case .made(let tensor): inputs.append(change.constant(tensor))
        }
      }
      let outputs = change.nodes(
        "BlockMatMuls", domain: FuseBlockMatMul.domain, inputs, mine.attributes, outputs: products.count,
        name: graph[id].name)
      for (product, output) in zip(products, outputs) {
        guard let old = graph[product.id].output(0) else { return nil }
        change.replace(old, with: output)
      }
      return change
    }
  }
}
