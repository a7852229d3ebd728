import PassKit

/// LayerNormalization over the channels of NCHW becomes one node between two Transposes.
public enum FuseChannelNormalization {
  public static let pass = RulePass(
    """
    # As ConvNeXt has it: mean and variance over axis 1, a factor and a summand for each channel. d / sqrt(q + e).
    \(RuleForms.normalized)
    \(RuleForms.variance)

    rule FuseChannelNormalization level 2 "recognises LayerNormalization over the channel axis" {
      match   {
        m = ReduceMean<keepdims = 1>(x, _)  d = Sub&(x, m)  q = Variance(x, m, d)  n = Normalized(d, q, $e)
        y = Add(Mul(n, $w), $b)
      }
      where   {
        rank(x) >= 3 && axes(m) == [1] : "";
        is_float(x); type(x) != double : "LayerNormalization computes in floats, x is of doubles";
        operator(q) != "Sub" || type(x) == float :
          "the difference of two means of {type(x)} is mostly rounding: the fused node would differ";
        let a = axes(m);
        same_shape(m, q) : "mean and variance are taken over different axes";
        let r = rank(x);
        uniform($e) : "epsilon is not one number";
        along($w, x, a) && along($b, x, a) : "scale and bias are not one number for each channel"
      }
      rewrite {
        t = Transpose<perm = [0] + range(2, r) + [1]>(x)
        n = LayerNormalization<axis = -1, epsilon = value($e)>(
          t, cast(spread($w, x, a), type(x)), cast(spread($b, x, a), type(x)))
        y = Transpose<perm = [0, r - 1] + range(1, r - 1)>(n)
      }
    }

    """)
}
