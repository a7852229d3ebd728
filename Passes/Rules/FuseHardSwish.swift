import PassKit

/// The spellings of HardSwish become one HardSwish.
public enum FuseHardSwish {
  public static let pass = RulePass(
    """
    # x * Clip(x + 3, 0, 6) / 6 in any grouping, or x * HardSigmoid of slope 1/6 and offset 1/2.
    form Gated(x, c) {
      Mul(Mul(x, c), 0.16666666666666666) | Mul(x, Mul(c, 0.16666666666666666)) | Mul(Mul(x, 0.16666666666666666), c)
    }

    rule FuseHardSwish level 2 "recognises the spellings of HardSwish" {
      match   { y = Gated(x, Clip!(Add(z, 3), 0, 6)) }
      where   { x == z : ""; is_float(x); type(x) != double : "known runtimes have no HardSwish of doubles" }
      rewrite { y = HardSwish(x) }
    }

    rule FuseHardSwish level 2 {
      match   { h = HardSigmoid<alpha = $a, beta = $b>(x)  y = Mul(x, h) }
      where   {
        type(x) != double : "known runtimes have no HardSwish of doubles";
        abs($a - 1 / 6) < 0.000001 : "the slope of the gate is {$a}, not 1/6";
        abs($b - 0.5) < 0.000001 : "the offset of the gate is {$b}, not 1/2"
      }
      rewrite { y = HardSwish(x) }
    }

    """)
}
