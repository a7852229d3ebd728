import PassKit

/// x / (1 + |x|) becomes Softsign.
public enum FuseSoftsign {
  public static let pass = RulePass(
    """
    rule FuseSoftsign level 2 "recognises x / (1 + |x|)" {
      match   { y = Div(x, Add(Abs!(x), 1)) }
      where   { is_float(x); type(x) != double : "known runtimes have no Softsign of doubles" }
      rewrite { y = Softsign(x) }
    }

    """)
}
