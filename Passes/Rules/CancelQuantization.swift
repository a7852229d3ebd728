import PassKit

/// A QuantizeLinear that undoes a DequantizeLinear goes.
public enum CancelQuantization {
  public static let pass = RulePass(
    """
    # Quantizing what was dequantized with the same numbers gives the same integers back: the rounding error of (q -
    # z) * s / s is far below one half.
    rule CancelQuantization level 1 "removes QuantizeLinear of DequantizeLinear with the same parameters" {
      match   {
        d = DequantizeLinear!&<axis = $a, block_size = $n>(q, $s, $z)
        y = QuantizeLinear<axis = $a, block_size = $n>(d, $t, $u)
      }
      where   {
        type(q) == type(y) && type(q) in (int8, uint8, int16, uint16) :
          "the integers are of the types {type(q)} and {type(y)}";
        $s == $t : "the scales differ";
        $z == $u : "the zero points differ";
        lowest($s) > 1e-30 && highest($s) < 1e30 : "a scale is out of range"
      }
      rewrite { y = q }
    }

    rule CancelQuantization level 1 {
      match   {
        d = DequantizeLinear!&<axis = $a, block_size = $n>(q, $s)
        y = QuantizeLinear<axis = $a, block_size = $n>(d, $t)
      }
      where   {
        type(q) == type(y) && type(q) in (int8, uint8, int16, uint16) :
          "the integers are of the types {type(q)} and {type(y)}";
        $s == $t : "the scales differ";
        lowest($s) > 1e-30 && highest($s) < 1e30 : "a scale is out of range"
      }
      rewrite { y = q }
    }

    """)
}
