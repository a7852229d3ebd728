import PassKit

/// Two factors in a row become one.
public enum MergeScalars {
  public static let pass = RulePass(
    """
    # (x * a) * b is x * (a * b), one rounding less. Summands of floats stay: (x + a) + b may cancel.
    rule MergeScalars level 2 "makes one factor of two constant ones" {
      match   { m = Mul(x, $a)  y = Mul(m, $b) }
      where   {
        is_float(x) : "";
        uniform($a) && uniform($b) : "a factor is not one number";
        let p = value($a) * value($b);
        abs(p) > 1e-30 && abs(p) < 1e30 : "the product {p} of the factors is out of range";
        type(x) != float16 || abs(p) > 0.0001 && abs(p) < 10000 : "the product {p} of the factors is out of range";
        same_shape(x, y) : "a factor gives the result another shape"
      }
      rewrite { y = Mul(x, p) }
    }

    rule MergeScalars level 2 {
      match   { m = Add(x, $a)  y = Add(m, $b) }
      where   { type(x) in (int32, int64) : "sums of floats are rounded one by one" }
      rewrite { y = Add(x, $a + $b) }
    }

    """)
}
