import PassKit

/// Powers and quotients that have an operator of their own.
public enum SimplifyPowers {
  public static let pass = RulePass(
    """
    # Not exact on signed zeros and infinities (Pow(-0, 0.5) is +0), or one rounding less.
    form Inverse(b) { Reciprocal(b) | Div(1, b) }

    rule SimplifyPowers level 2 "writes x^0.5, x^-1, a * (1 / b) and a / (1 / b) with one operator" {
      match   { y = Pow(x, 0.5) }
      where   { is_float(x) }
      rewrite { y = Sqrt(x) }
    }

    rule SimplifyPowers level 2 {
      match   { y = Pow(x, -1) }
      where   { is_float(x) }
      rewrite { y = Reciprocal(x) }
    }

    rule SimplifyPowers level 2 {
      match   { y = Mul(a, Inverse(b)) }
      where   { is_float(a) }
      rewrite { y = Div(a, b) }
    }

    rule SimplifyPowers level 2 {
      match   { y = Div(a, Inverse(b)) }
      where   { is_float(b) }
      rewrite { y = Mul(a, b) }
    }

    rule SimplifyPowers level 2 {
      match   { y = Reciprocal(Reciprocal(x)) }
      rewrite { y = x }
    }

    """)
}
