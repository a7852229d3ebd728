import PassKit

/// Relu and Clip before a QuantizeLinear that saturates there anyway go.
public enum DropQuantizedClamp {
  public static let pass = RulePass(
    """
    rule DropQuantizedClamp level 2 "removes Relu and Clip before a QuantizeLinear that saturates there" {
      match   { y = QuantizeLinear!(Relu(x), $s, $z) }
      where   { uniform($z) && value($z) == type_min(type(y)) : "the integers reach below the zero point" }
      rewrite { y = @y(x) }
    }

    rule DropQuantizedClamp level 2 {
      match   { y = QuantizeLinear!(Relu(x), $s) }
      where   { type(y) in (uint8, uint16) : "the integers reach below the zero point" }
      rewrite { y = @y(x) }
    }

    rule DropQuantizedClamp level 2 {
      match   { y = QuantizeLinear!(Clip(x, $l, $h), $s, $z) }
      where   {
        uniform($s) && uniform($z) && value($s) > 0 : "scale and zero point are not one number";
        value($l) <= (type_min(type(y)) - value($z)) * value($s) &&
          value($h) >= (type_max(type(y)) - value($z)) * value($s) :
          "the bounds {value($l)} and {value($h)} are inside the range of the integers"
      }
      rewrite { y = @y(x) }
    }

    """)
}
