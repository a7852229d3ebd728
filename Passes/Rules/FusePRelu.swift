import PassKit

/// The spellings of PRelu with constant slopes become one PRelu.
public enum FusePRelu {
  public static let pass = RulePass(
    """
    # As LeakyRelu, with slopes that differ.
    \(RuleForms.isPositive)
    \(RuleForms.isNegative)
    \(RuleForms.negated)
    \(RuleForms.minus)
    \(RuleForms.leaky)

    rule FusePRelu level 2 "recognises the spellings of PRelu" {
      match   { y = Leaky(x, $a) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no PRelu of doubles";
        !uniform($a) : "";
        keeps("PRelu") : "known runtimes take longer for PRelu than for its parts (--prefer-standard makes it)";
        broadcasts(a, x) : "the slopes give the result another shape"
      }
      rewrite { y = PRelu(x, $a) }
    }

    rule FusePRelu level 2 {
      match   { y = Add(Relu!(x), Mul(Relu(Negated(x)), $a)) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no PRelu of doubles";
        !uniform($a) : "";
        keeps("PRelu") : "known runtimes take longer for PRelu than for its parts (--prefer-standard makes it)";
        broadcasts(a, x) : "the slopes give the result another shape"
      }
      rewrite { y = PRelu(x, -$a) }
    }

    """)
}
