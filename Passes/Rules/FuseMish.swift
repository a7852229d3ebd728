import PassKit

/// x * tanh(softplus(x)) becomes Mish.
public enum FuseMish {
  public static let pass = RulePass(
    """
    # x * tanh(softplus(x)), also without logarithms: with n = e^x * (e^x + 2) it is x * n / (n + 2).
    form Soft(x) { Softplus!(x) | Log(Add(Exp!(x), 1)) }

    rule FuseMish level 2 "recognises the spellings of Mish" {
      match   { y = Mul(x, Tanh(Soft(x))) }
      where   { is_float(x); type(x) != double : "known runtimes have no Mish of doubles" }
      rewrite { y = Mish(x) }
    }

    form Gate(x, n) { Mul(x, Div(n, Add(n, 2))) | Div(Mul(x, n), Add(n, 2)) }

    rule FuseMish level 2 {
      match   { e = Exp!(x)  n = Mul(e, Add(e, 2))  y = Gate(x, n) }
      where   { is_float(x); type(x) != double : "known runtimes have no Mish of doubles" }
      rewrite { y = Mish(x) }
    }

    """)
}
