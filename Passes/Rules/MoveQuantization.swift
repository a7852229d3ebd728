import PassKit

/// Data movement between DequantizeLinear and QuantizeLinear with the same parameters works on the integers.
public enum MoveQuantization {
  public static let pass = RulePass(
    """
    form Moved(d) {
      (Reshape|Transpose|Squeeze|Unsqueeze|Flatten|Slice|Gather|GatherElements|Expand|Tile|MaxPool)(d, ...)
      | (ReduceMax|ReduceMin)(d, ...)
      | Resize<mode = "nearest">(d, ...)
    }

    rule MoveQuantization level 2 "moves data between equal DequantizeLinear and QuantizeLinear as integers" {
      match   { d = DequantizeLinear!&(q, $s, $z)  m = Moved(d)  y = QuantizeLinear(m, $t, $u) }
      where   {
        type(q) == type(y) && type(q) in (int8, uint8) : "the integers are of the types {type(q)} and {type(y)}";
        count(s) == 1 && count(t) == 1 : "the scales go along an axis";
        value($s) == value($t) : "the scales {value($s)} and {value($t)} differ";
        value($z) == value($u) : "the zero points {value($z)} and {value($u)} differ";
        value($s) > 1e-30 && value($s) < 1e30 : "the scale {value($s)} is out of range"
      }
      rewrite { y = @m(q) }
    }

    # The order of the integers is that of the numbers.
    rule MoveQuantization level 2 {
      match   { d = DequantizeLinear!&(q, $s, _)  y = (ArgMax|ArgMin)(d) }
      where   {
        type(q) in (int8, uint8) : "the integers are of the type {type(q)}";
        count(s) == 1 : "the scales go along an axis";
        value($s) > 1e-30 && value($s) < 1e30 : "the scale {value($s)} is out of range"
      }
      rewrite { y = @y(q) }
    }

    """)
}
