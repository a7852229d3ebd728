import GraphIR
import Operators
import PassKit
import Tensors

/// Puts the sum behind a product with constant weights into it, where another value is added: a transformer block's residual.
///
/// Before: `s = MatMul(x, W)`, `y = Add(z, Add(s, b))`. After: `y = ai.cameo.FusedMatMul(x, W, b, z)`. Only where it is asked for by name,
/// as by a provider whose products read such a matrix while they write: elsewhere it costs what the sum costs.
public enum FuseResidual {
  public static let pass = RewritePass(
    "FuseResidual", level: 4,
    summary: "puts the sum with another value into MatMul (only with --enable)",
    documentation: """
      Before: s = ai.cameo.FusedMatMul (x, W, b)  y = Add (s, z)
      After:  y = ai.cameo.FusedMatMul (x, W, b, z)
      Where W is a constant matrix, z has the result's shape, and nothing else reads s.
      """, rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "FuseResidual"
    let anchors: Set<OperatorName> = [OperatorName("Add")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0) else { return nil }
      for summand in try FuseEpilogue.summands(id, context) {
        let (product, other, fused) = (summand.product, summand.other, summand.fused)
        guard fused.type == "FusedMatMul", graph.constant(other) == nil else { continue }
        guard let weights = fused.inputs[1].flatMap({ graph.constant($0) }), weights.rank == 2 else {
          throw Refusal("its right operand is no constant matrix", at: product)
        }
        guard fused.inputs.count < 4 || fused.inputs[3] == nil else {
          throw Refusal("it has a residual already", at: product)
        }
        guard context.haveSameShape(summand.data, other), context.dataType(other) == .float else {
          throw Refusal("what is added has another shape or type", at: id)
        }
        var inputs: [GraphChange.Ref?] = fused.inputs.map { $0.map { .existing($0) } }
        while inputs.count < 4 { inputs.append(nil) }
        inputs[3] = .existing(other)
        var change = GraphChange(rule: name, covers: [product, id], isFusion: true)
        change.replace(
          output,
          with: change.node(
            fused.type, domain: FuseEpilogue.domain, inputs, fused.attributes, name: graph[product].name))
        return change
      }
      return nil
    }
  }
}
