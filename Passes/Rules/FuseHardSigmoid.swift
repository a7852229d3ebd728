import PassKit

/// A line clipped to 0..1 becomes HardSigmoid.
public enum FuseHardSigmoid {
  public static let pass = RulePass(
    """
    # Clip(a * x + b, 0, 1), and Clip(x + b, 0, h) / h.
    rule FuseHardSigmoid level 2 "recognises a line clipped to 0..1" {
      match   { s = Mul(x, $a)  t = Add(s, $b)  y = Clip(t, 0, 1) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no HardSigmoid of doubles";
        uniform($a) && uniform($b) : "the line is not the same for all elements";
        same_shape(x, y) : "the line gives the result another shape"
      }
      rewrite { y = HardSigmoid<alpha = value($a), beta = value($b)>(x) }
    }

    rule FuseHardSigmoid level 2 {
      match   { t = Add(x, $b)  y = Mul(Clip(t, 0, $h), $k) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no HardSigmoid of doubles";
        uniform($b) && uniform($h) && uniform($k) : "the line is not the same for all elements";
        abs(value($h) * value($k) - 1) < 0.000001 : "the gate reaches {value($h) * value($k)}, not 1";
        same_shape(x, y) : "the line gives the result another shape"
      }
      rewrite { y = HardSigmoid<alpha = value($k), beta = value($b) * value($k)>(x) }
    }

    """)
}
