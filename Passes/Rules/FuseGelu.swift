import PassKit

/// The spellings of Gelu become one Gelu (opset 20).
public enum FuseGelu {
  public static let pass = RulePass(
    """
    # 0.5 * x * (1 + Erf(x / sqrt(2))) in any grouping is Gelu(x), the same with Tanh(sqrt(2 / pi) * (x + 0.044715 *
    # x^3)) its tanh form, as is x * Sigmoid(2 * sqrt(2 / pi) * (x + 0.044715 * x^3)).
    # x * (1 + e) / 2
    form Gated(x, e) {
      Mul(Mul(x, Add(e, 1)), 0.5)
      | Mul(Mul(x, 0.5), Add(e, 1))
      | Mul(x, Mul(Add(e, 1), 0.5))
      | Mul(x, Add(Mul(e, 0.5), 0.5))
      | Mul(Add(Mul(x, e), x), 0.5)
      | h = Mul(x, 0.5)  Add(Mul(h, e), h)
      | Add(Mul(x, Mul(e, 0.5)), Mul(x, 0.5))
      | Add(Mul(Mul(x, e), 0.5), Mul(x, 0.5))
    }
    # The same of the negative: x * (1 - e) / 2
    form GatedNegative(x, e) {
      Mul(Mul(x, Sub(1, e)), 0.5)
      | Mul(Mul(x, 0.5), Sub(1, e))
      | Mul(x, Mul(Sub(1, e), 0.5))
      | Mul(x, Sub(0.5, Mul(e, 0.5)))
      | Mul(x, Add(Mul(e, -0.5), 0.5))
    }
    form Cubic(x) {
      Mul(Pow(x, 3), 0.044715)
      | Mul(Mul(Mul(x, x), x), 0.044715)
      | Mul(Mul(Mul(x, x), 0.044715), x)
      | Mul(Mul(Mul(x, 0.044715), x), x)
      | Mul(Mul(x, 0.044715), Mul(x, x))
    }
    form Bent(x) {
      Mul(Add(x, Cubic(x)), 0.7978845608028654)
      | Mul(Mul(x, 0.7978845608028654), Add(Mul(Mul(x, x), 0.044715), 1))
      | Mul(Mul(x, Add(Mul(Mul(x, x), 0.044715), 1)), 0.7978845608028654)
      | Mul(x, Mul(Add(Mul(Mul(x, x), 0.044715), 1), 0.7978845608028654))
      | Mul(x, Add(Mul(Mul(x, x), 0.035677408136300125), 0.7978845608028654))
    }
    form BentTwice(x) {
      Mul(Add(x, Cubic(x)), 1.5957691216057308)
      | Mul(Mul(x, 1.5957691216057308), Add(Mul(Mul(x, x), 0.044715), 1))
      | Mul(x, Add(Mul(Mul(x, x), 0.07135481627260025), 1.5957691216057308))
    }

    rule FuseGelu level 2 "recognises the erf, tanh and sigmoid spellings of Gelu" {
      match   { y = Gated(x, Erf!(Mul(x, 0.7071067811865476))) }
      where   { is_float(x); type(x) != double : "known runtimes have no Gelu of doubles" }
      rewrite { y = Gelu(x) }
    }

    rule FuseGelu level 2 {
      match   { y = GatedNegative(x, Erf!(Mul(x, -0.7071067811865476))) }
      where   { is_float(x); type(x) != double : "known runtimes have no Gelu of doubles" }
      rewrite { y = Gelu(x) }
    }

    rule FuseGelu level 2 {
      match   { y = Gated(x, Tanh!(Bent(x))) }
      where   { is_float(x); type(x) != double : "known runtimes have no Gelu of doubles" }
      rewrite { y = Gelu<approximate = "tanh">(x) }
    }

    rule FuseGelu level 2 {
      match   { y = Mul(x, Sigmoid(BentTwice(x))) }
      where   { is_float(x); type(x) != double : "known runtimes have no Gelu of doubles" }
      rewrite { y = Gelu<approximate = "tanh">(x) }
    }

    """)
}
