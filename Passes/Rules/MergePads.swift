import PassKit

/// Constant Pads that follow each other become one.
public enum MergePads {
  public static let pass = RulePass(
    """
    rule MergePads level 1 "makes one Pad of two that pad with the same value" {
      match   { p = Pad!<mode = "constant">(x, $a, $v)  y = Pad<mode = "constant">(p, $b, $v) }
      where   { lowest($a) >= 0 && lowest($b) >= 0 : "a Pad crops" }
      rewrite { y = @y(x, $a + $b, $v) }
    }

    rule MergePads level 1 {
      match   { p = Pad!<mode = "constant">(x, $a)  y = Pad<mode = "constant">(p, $b) }
      where   { lowest($a) >= 0 && lowest($b) >= 0 : "a Pad crops" }
      rewrite { y = @y(x, $a + $b) }
    }

    """)
}
