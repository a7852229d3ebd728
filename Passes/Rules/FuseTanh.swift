import PassKit

/// The spellings of Tanh become one Tanh.
public enum FuseTanh {
  public static let pass = RulePass(
    """
    # (e^x - e^-x) / (e^x + e^-x), (1 - e^-2x) / (1 + e^-2x), (e^2x - 1) / (e^2x + 1) and 2 * sigmoid(2 x) - 1.
    \(RuleForms.negated)

    rule FuseTanh level 2 "recognises the spellings of Tanh" {
      match   { a = Exp!(x)  b = Exp(Negated(x))  y = Div(Sub(a, b), Add(a, b)) }
      where   { is_float(x) }
      rewrite { y = Tanh(x) }
    }

    rule FuseTanh level 2 {
      match   { e = Exp!(Mul(x, -2))  y = Div(Sub(1, e), Add(e, 1)) }
      where   { is_float(x) }
      rewrite { y = Tanh(x) }
    }

    rule FuseTanh level 2 {
      match   { e = Exp!(Mul(x, 2))  y = Div(Sub(e, 1), Add(e, 1)) }
      where   { is_float(x) }
      rewrite { y = Tanh(x) }
    }

    rule FuseTanh level 2 {
      match   { y = Sub(Mul(Sigmoid!(Mul(x, 2)), 2), 1) }
      where   { is_float(x) }
      rewrite { y = Tanh(x) }
    }

    """)
}
