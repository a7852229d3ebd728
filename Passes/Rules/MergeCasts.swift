import PassKit

/// A Cast through a type that loses nothing becomes one Cast.
public enum MergeCasts {
  public static let pass = RulePass(
    """
    rule MergeCasts level 1 "makes one Cast of two where the first loses nothing" {
      match   { c = Cast&(x)  y = Cast(c) }
      where   {
        lossless(type(x), type(c)) : "";
        type(y) == type(x) : ""
      }
      rewrite { y = x }
    }

    rule MergeCasts level 1 {
      match   { c = Cast&(x)  y = Cast(c) }
      where   {
        lossless(type(x), type(c)) : "";
        type(y) != string : "";
        type(y) != type(x) : ""
      }
      rewrite { y = Cast<to = type(y)>(x) }
    }

    """)
}
