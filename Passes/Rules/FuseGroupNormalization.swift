import PassKit

/// GroupNormalization spelled over reshaped groups becomes one node.
public enum FuseGroupNormalization {
  public static let pass = RulePass(
    """
    # Reshape to groups, InstanceNormalization of each, Reshape back, a factor and a summand for each channel. Only where
    # the output may hold GroupNormalization: known runtimes expand it.
    rule FuseGroupNormalization level 2 "recognises GroupNormalization over reshaped groups" {
      match   {
        r = Reshape(x, _)  n = InstanceNormalization<epsilon = $e>(r, 1, 0)  s = Reshape(n, _)
        y = Add(Mul(s, $w), $b)
      }
      where   {
        same_shape(s, x) : "the groups are not put back";
        dim(r, 0) == dim(x, 0) && rank(x) >= 3 : "the groups are not those of channels";
        along($w, x, [1]) && along($b, x, [1]) : "scale and bias are not one number for each channel";
        opset >= 21 : "GroupNormalization needs opset 21, the output is limited to {opset}";
        keeps("GroupNormalization") : "known runtimes expand GroupNormalization (--prefer-standard keeps it)"
      }
      rewrite {
        y = GroupNormalization<num_groups = dim(r, 1), epsilon = $e>(
          x, cast(spread($w, x, [1]), type(x)), cast(spread($b, x, [1]), type(x)))
      }
    }

    """)
}
