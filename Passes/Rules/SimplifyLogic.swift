import PassKit

/// Identities of logic and selection.
public enum SimplifyLogic {
  public static let pass = RulePass(
    """
    rule SimplifyLogic level 1 "applies identities of Not, And, Or and Where" {
      match   { y = Not(Not&(x)) }
      rewrite { y = x }
    }

    rule SimplifyLogic level 1 {
      match   { c = Not&(x)  y = Where(c, a, b) }
      rewrite { y = Where(x, b, a) }
    }

    rule SimplifyLogic level 1 {
      match   { y = Where(c, x, x) }
      where   { same_shape(x, y) : "" }
      rewrite { y = x }
    }

    rule SimplifyLogic level 1 {
      match   { y = Where($c, a, b) }
      where   {
        uniform($c) : "";
        value($c) == 1 : "";
        same_shape(a, y) : ""
      }
      rewrite { y = a }
    }

    rule SimplifyLogic level 1 {
      match   { y = Where($c, a, b) }
      where   {
        uniform($c) : "";
        value($c) == 0 : "";
        same_shape(b, y) : ""
      }
      rewrite { y = b }
    }

    rule SimplifyLogic level 1 {
      match   { y = And(x, $c) }
      where   { uniform($c) && value($c) == 1 && same_shape(x, y) : "" }
      rewrite { y = x }
    }

    rule SimplifyLogic level 1 {
      match   { y = Or(x, $c) }
      where   { uniform($c) && value($c) == 0 && same_shape(x, y) : "" }
      rewrite { y = x }
    }

    rule SimplifyLogic level 1 {
      match   { y = (And|Or)(x, x) }
      rewrite { y = x }
    }

    """)
}
