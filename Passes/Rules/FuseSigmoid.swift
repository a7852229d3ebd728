import PassKit

/// The spellings of Sigmoid become one Sigmoid.
public enum FuseSigmoid {
  public static let pass = RulePass(
    """
    # 1 / (1 + exp(-x)), exp(x) / (exp(x) + 1) and (tanh(x / 2) + 1) / 2.
    \(RuleForms.negated)
    form Inverse(v) { Reciprocal(v) | Div(1, v) }

    rule FuseSigmoid level 2 "recognises the spellings of Sigmoid" {
      match   { y = Inverse(Add(Exp!(Negated(x)), 1)) }
      where   { is_float(x) }
      rewrite { y = Sigmoid(x) }
    }

    rule FuseSigmoid level 2 {
      match   { e = Exp!(x)  y = Div(e, Add(e, 1)) }
      where   { is_float(x) }
      rewrite { y = Sigmoid(x) }
    }

    rule FuseSigmoid level 2 {
      match   { y = Mul(Add(Tanh!(Mul(x, 0.5)), 1), 0.5) }
      where   { is_float(x) }
      rewrite { y = Sigmoid(x) }
    }

    """)
}
