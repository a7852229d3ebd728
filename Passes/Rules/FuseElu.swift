import PassKit

/// The spellings of Elu, Celu and Selu become one node.
public enum FuseElu {
  public static let pass = RulePass(
    """
    # Where(x > 0, x, a (exp(x) - 1)), relu(x) + min(0, a (exp(x / a) - 1)), and gamma * Elu with Selu's numbers.
    \(RuleForms.isPositive)
    \(RuleForms.isNegative)
    \(RuleForms.positive)

    rule FuseElu level 2 "recognises the spellings of Elu, Celu and Selu" {
      match   { y = Where(IsPositive(x), x, Mul(Sub(Exp!(x), 1), $a)) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no Elu of doubles";
        keeps("Elu") : "known runtimes take longer for Elu than for its parts (--prefer-standard makes it)";
        uniform($a) : "alpha is not one number";
        same_shape(x, y) : "alpha gives the result another shape"
      }
      rewrite { y = Elu<alpha = value($a)>(x) }
    }

    rule FuseElu level 2 {
      match   { y = Where(IsPositive(x), x, Sub(Exp!(x), 1)) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no Elu of doubles";
        keeps("Elu") : "known runtimes take longer for Elu than for its parts (--prefer-standard makes it)"
      }
      rewrite { y = Elu(x) }
    }

    rule FuseElu level 2 {
      match   { y = Where(IsNegative(x), Mul(Sub(Exp!(x), 1), $a), x) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no Elu of doubles";
        keeps("Elu") : "known runtimes take longer for Elu than for its parts (--prefer-standard makes it)";
        uniform($a) : "alpha is not one number";
        same_shape(x, y) : "alpha gives the result another shape"
      }
      rewrite { y = Elu<alpha = value($a)>(x) }
    }

    rule FuseElu level 2 {
      match   { y = Where(IsNegative(x), Sub(Exp!(x), 1), x) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no Elu of doubles";
        keeps("Elu") : "known runtimes take longer for Elu than for its parts (--prefer-standard makes it)"
      }
      rewrite { y = Elu(x) }
    }

    rule FuseElu level 2 {
      match   { y = Add(Positive(x), Min(Sub(Exp!(x), 1), 0)) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no Elu of doubles";
        keeps("Elu") : "known runtimes take longer for Elu than for its parts (--prefer-standard makes it)"
      }
      rewrite { y = Elu(x) }
    }

    rule FuseElu level 2 {
      match   { s = Mul(x, $b)  y = Add(Positive(x), Min(Mul(Sub(Exp!(s), 1), $a), 0)) }
      where   {
        is_float(x);
        uniform($a) && uniform($b) : "alpha is not one number";
        value($a) > 0 && abs(value($a) * value($b) - 1) < 0.00001 : "the slope at 0 is {value($a) * value($b)}, not 1";
        same_shape(x, y) : "alpha gives the result another shape";
        keeps("Celu") : "known runtimes take longer for Celu than for its parts (--prefer-standard makes it)"
      }
      rewrite { y = Celu<alpha = value($a)>(x) }
    }

    rule FuseElu level 2 {
      match   { y = Mul(Elu!<alpha = $a>(x), 1.0507009873554805) }
      where   {
        abs($a - 1.6732632423543772) < 0.00001 : "alpha is {$a}, Selu's is 1.6732632";
        keeps("Selu") : "known runtimes take longer for Selu than for its parts (--prefer-standard makes it)"
      }
      rewrite { y = Selu(x) }
    }

    """)
}
