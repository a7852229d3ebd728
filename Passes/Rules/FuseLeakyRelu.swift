import PassKit

/// The spellings of LeakyRelu become one LeakyRelu.
public enum FuseLeakyRelu {
  public static let pass = RulePass(
    """
    # Where(x > 0, x, a x), max(x, a x) with a in 0..1, relu(x) - a relu(-x) and relu(x) + a (x - |x|) / 2.
    \(RuleForms.isPositive)
    \(RuleForms.isNegative)
    \(RuleForms.negated)
    \(RuleForms.minus)
    \(RuleForms.leaky)

    rule FuseLeakyRelu level 2 "recognises the spellings of LeakyRelu" {
      match   { y = Leaky(x, $a) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no LeakyRelu of doubles";
        uniform($a) : "the slope is not one number";
        same_shape(x, y) : "the slope gives the result another shape"
      }
      rewrite { y = LeakyRelu<alpha = value($a)>(x) }
    }

    rule FuseLeakyRelu level 2 {
      match   { y = Max(x, Mul(x, $a)) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no LeakyRelu of doubles";
        uniform($a) : "the slope is not one number";
        value($a) >= 0 && value($a) <= 1 : "the slope {value($a)} is not from 0 to 1";
        same_shape(x, y) : "the slope gives the result another shape"
      }
      rewrite { y = LeakyRelu<alpha = value($a)>(x) }
    }

    rule FuseLeakyRelu level 2 {
      match   { r = Relu(x)  y = Add(r, Mul(Relu(Negated(x)), $a)) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no LeakyRelu of doubles";
        uniform($a) : "the slope is not one number";
        same_shape(x, y) : "the slope gives the result another shape"
      }
      rewrite { y = LeakyRelu<alpha = -value($a)>(x) }
    }

    """)
}
