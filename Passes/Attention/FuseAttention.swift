import GraphIR
import Operators
import PassKit
import Tensors

/// The core softmax(scale * Q K' [soft cap] + bias) V becomes one Attention (opset 23) of operands [batch, heads, length, size].
///
/// `ScoreForm` says what stands in front of the Softmax, `ProbabilityForm` what stands behind it, `HeadLayout` how leading axes
/// are batch and heads, `MaskForm` what is added to the scores.
///
/// Fully masked rows: a bias of finfo.min gives mean(V) before and after. Where every score of a row is -inf, the decomposed
/// form gives NaN and Attention 0; with an IsNaN guard both give 0.
public enum FuseAttention {
  public static let pass = RewritePass(
    "FuseAttention", level: 2, summary: "recognises softmax(QK)V as Attention", documentation: documentation,
    rules: [Rule()])

  private static let documentation = """
    Before: `s = MatMul(q, kt)  z = Mul(s, 0.125)  b = Add(z, bias)  p = Softmax(b)  y = MatMul(p, v)`.
    After: `k = Transpose(kt)  y = Attention <scale = 0.125> (q, k, v, bias)`.

    Scales stand anywhere (on the product, on Q or K, as Mul or Div, computed ones too), masks are added or chosen by Where, \
    c * tanh(s / c) is the soft cap, casts around the Softmax become its precision. Operands of rank 2, 3 and 5, K' as a
    product's left operand (Softmax over axis -2) and Gemm are brought to [batch, heads, length, size].
    """

  struct Rule: RewriteRule {
    let name = "Attention"
    let anchors: Set<OperatorName> = [OperatorName("Softmax")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      guard let core = try AttentionCore(softmax: id, context) else { return nil }
      guard context.mayEmit(opset: 23) else {
        throw Refusal("Attention needs opset 23, the output is limited to \(context.options.opsetCeiling)")
      }
      return try core.change(name, context)
    }
  }
}
