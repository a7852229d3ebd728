import PassKit

/// The spellings of Softplus become one Softplus.
public enum FuseSoftplus {
  public static let pass = RulePass(
    """
    # log(exp(x) + 1), which overflows where Softplus does not, and max(x, 0) + log(exp(-|x|) + 1).
    \(RuleForms.negated)
    \(RuleForms.positive)

    rule FuseSoftplus level 2 "recognises the spellings of Softplus" {
      match   { y = Log!(Add(Exp!(x), 1)) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no Softplus of doubles";
        keeps("Softplus") : "known runtimes take longer for Softplus than for its parts (--prefer-standard makes it)"
      }
      rewrite { y = Softplus(x) }
    }

    rule FuseSoftplus level 2 {
      match   { y = Add(Positive(x), Softplus!(Negated(Abs(x)))) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no Softplus of doubles";
        keeps("Softplus") : "known runtimes take longer for Softplus than for its parts (--prefer-standard makes it)"
      }
      rewrite { y = Softplus(x) }
    }

    """)
}
