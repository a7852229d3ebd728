import PassKit

/// The spellings of Relu become one Relu.
public enum FuseRelu {
  public static let pass = RulePass(
    """
    # Max(x, 0), Clip from 0 upwards, Where(x > 0, x, 0) and (x + |x|) / 2.
    \(RuleForms.isPositive)
    \(RuleForms.isNegative)
    form Half(v) { Mul(v, 0.5) }

    rule FuseRelu level 2 "recognises the spellings of Relu" {
      match   { y = Max(x, 0) }
      where   { is_float(x) : "" }
      rewrite { y = Relu(x) }
    }

    rule FuseRelu level 2 {
      match   { y = Clip(x, 0, "") }
      where   { is_float(x) : "" }
      rewrite { y = Relu(x) }
    }

    rule FuseRelu level 2 {
      match   { y = Clip(x, 0, $h) }
      where   {
        is_float(x) : "";
        value($h) >= if(type(x) == float16, 65504, 3.4028234663852886e38) : ""
      }
      rewrite { y = Relu(x) }
    }

    rule FuseRelu level 2 {
      match   { y = Where(IsPositive(x), x, 0) }
      where   { is_float(x); same_shape(x, y) }
      rewrite { y = Relu(x) }
    }

    rule FuseRelu level 2 {
      match   { y = Where(IsNegative(x), 0, x) }
      where   { is_float(x); same_shape(x, y) }
      rewrite { y = Relu(x) }
    }

    rule FuseRelu level 2 {
      match   { y = Half(Add(x, Abs!(x))) }
      where   { is_float(x) }
      rewrite { y = Relu(x) }
    }

    """)
}
