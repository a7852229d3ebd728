import PassKit

/// swish(gate) * up becomes SwiGLU.
public enum FuseSwiGLU {
  public static let pass = RulePass(
    """
    # Where the output may not hold SwiGLU, LegalizeActivations takes it apart at the end.
    rule FuseSwiGLU level 2 "recognises swish(gate) * up" {
      match   { s = Swish!<alpha = $a>(g)  y = Mul(s, u) }
      where   {
        !constant(u) : "";
        same_shape(g, u) : "SwiGLU does not broadcast"
      }
      rewrite { y = SwiGLU<alpha = $a>(g, u) }
    }

    """)
}
