import PassKit

/// x * sigmoid(alpha x) becomes Swish.
public enum FuseSwish {
  public static let pass = RulePass(
    """
    # SiLU x * sigmoid(x), QuickGelu x * sigmoid(1.702 x), and x / (1 + exp(-x)). Where the output may not hold
    # Swish, LegalizeActivations takes it apart at the end.
    \(RuleForms.negated)

    rule FuseSwish level 2 "recognises x * sigmoid(alpha * x)" {
      match   { y = Mul(x, Sigmoid(x)) }
      where   { is_float(x) }
      rewrite { y = Swish(x) }
    }

    rule FuseSwish level 2 {
      match   { s = Mul(x, $a)  y = Mul(x, Sigmoid(s)) }
      where   {
        is_float(x);
        uniform($a) : "the slope of the gate is not one number";
        same_shape(s, x) : "the slope of the gate gives it another shape"
      }
      rewrite { y = Swish<alpha = value($a)>(x) }
    }

    rule FuseSwish level 2 {
      match   { y = Div(x, Add(Exp!(Negated(x)), 1)) }
      where   { is_float(x) }
      rewrite { y = Swish(x) }
    }

    rule FuseSwish level 2 {
      match   { s = Mul(x, $a)  y = Div(x, Add(Exp!(s), 1)) }
      where   {
        is_float(x);
        uniform($a) : "the slope of the gate is not one number";
        value($a) < 0 : "the exponent grows with x";
        same_shape(s, x) : "the slope of the gate gives it another shape"
      }
      rewrite { y = Swish<alpha = -value($a)>(x) }
    }

    """)
}
