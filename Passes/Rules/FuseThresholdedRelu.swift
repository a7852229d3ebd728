import PassKit

/// Where(x > t, x, 0) becomes ThresholdedRelu.
public enum FuseThresholdedRelu {
  public static let pass = RulePass(
    """
    form Above(x, t) { Greater(x, $t) | Less($t, x) | Not(LessOrEqual(x, $t)) }

    rule FuseThresholdedRelu level 2 "recognises Where(x > t, x, 0)" {
      match   { y = Where(Above(x, $t), x, 0) }
      where   {
        is_float(x); type(x) != double : "known runtimes have no ThresholdedRelu of doubles";
        uniform($t) : "the threshold is not one number";
        same_shape(x, y) : "the threshold gives the result another shape"
      }
      rewrite { y = ThresholdedRelu<alpha = value($t)>(x) }
    }

    """)
}
