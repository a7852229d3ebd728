import GraphIR
import Operators
import PassKit
import Tensors

/// Attention scales the scores itself.
///
/// Before: `Attention<scale=1>(Transpose(Reshape(q * 0.125)), k, v)`.
/// After: `Attention<scale=0.125>(Transpose(Reshape(q)), k, v)`.
///
/// What the fusion of Attention has not found in front of Q and K because a rotation or a reshape was in the way then. Keys that are
/// joined with a cache, or handed on as present_key, keep their scale.
public enum AbsorbScale {
  public static let pass = RewritePass(
    "AbsorbScale", level: 2, summary: "gives Attention the scale that its queries or keys were multiplied by",
    documentation: """
      Before: y = Attention <scale = 1.0> (q4, k, v) with q4 = Transpose (Reshape (Mul (q, 0.125), [B, L, H, D]))
      After:  y = Attention <scale = 0.125> (q4, k, v) with q4 = Transpose (Reshape (q, [B, L, H, D]))
      Refused where the product of the scales is not positive.
      """, rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "AbsorbScale"
    let anchors: Set<OperatorName> = [OperatorName("Attention")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      guard let query = node.input(0), let key = node.input(1), query != key else { return nil }
      let isHandedOn = node.output(1).map { !context.graph[$0].uses.isEmpty } ?? false
      let q = ScaledOperand(query, context)
      let k = node.input(4) != nil || isHandedOn ? ScaledOperand(plain: key) : ScaledOperand(key, context)
      guard q.factor != 1 || k.factor != 1, let before = try scale(node, context) else { return nil }
      let product = before * q.factor * k.factor
      guard product > 0, Float(product).isNormal else {
        throw Refusal("the scale is \(product), Attention takes positive ones", at: id)
      }
      guard Set((q.covers + k.covers).map { context.graph[$0].region }).isSubset(of: [node.region]) else { return nil }
      var change = GraphChange(rule: name, covers: [id] + q.covers + k.covers, isFusion: false)
      var inputs = node.inputs.map { $0.map { GraphChange.Ref.existing($0) } }
      inputs[0] = q.write(q.movements, context, in: &change)
      inputs[1] = k.write(k.movements, context, in: &change)
      let attributes = node.attributes.filter { $0.name != "scale" } + [NamedAttribute("scale", .float(Float(product)))]
      change.attention(node, inputs: inputs, attributes: attributes)
      return change
    }

    private func scale(_ node: Node, _ context: PassContext) throws -> Double? {
      if case .float(let stated)? = node["scale"] { return Double(stated) }
      guard let size = context.shape(node.input(0))?.last?.value else { return nil }
      let heads = context.rank(node.input(0)) == 3 ? try AttributeReader(node).int("q_num_heads") : 1
      return heads > 0 && size >= heads ? 1 / Double(size / heads).squareRoot() : nil
    }
  }
}
