import PassKit

/// Decomposed InstanceNormalization with scale and bias becomes one node.
public enum FuseInstanceNormalization {
  public static let pass = RulePass(
    """
    # As LayerNormalization over all spatial axes, which may be open, with a factor and a summand for each channel.
    # d / sqrt(q + e).
    \(RuleForms.normalized)

    rule FuseInstanceNormalization level 2 "recognises decomposed InstanceNormalization" {
      match   {
        m = ReduceMean!<keepdims = 1>(x, _)  d = Sub&(x, m)
        q = ReduceMean<keepdims = 1>(Mul(d, d), _)  n = Normalized(d, q, $e)  y = Add(Mul(n, $w), $b)
      }
      where   {
        is_float(x); type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        let a = axes(m);
        axes(q) == a : "mean and variance are taken over different axes";
        rank(x) >= 3 && a == range(2, rank(x)) : "the axes {a} are not the spatial ones of a tensor of rank {rank(x)}";
        uniform($e) : "epsilon is not one number";
        along($w, x, [1]) && along($b, x, [1]) : "scale and bias are not one number for each channel"
      }
      rewrite {
        y = InstanceNormalization<epsilon = value($e)>(
          x, cast(spread($w, x, [1]), type(x)), cast(spread($b, x, [1]), type(x)))
      }
    }

    rule FuseInstanceNormalization level 2 {
      match   { n = LayerNormalization!<axis = $axis, epsilon = $e>(x, 1)  y = Add(Mul(n, $w), $b) }
      where   {
        type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        rank(x) >= 3 && if($axis < 0, $axis + rank(x), $axis) == 2 : "it does not run over the spatial axes";
        along($w, x, [1]) && along($b, x, [1]) : "scale and bias are not one number for each channel"
      }
      rewrite {
        y = InstanceNormalization<epsilon = $e>(
          x, cast(spread($w, x, [1]), type(x)), cast(spread($b, x, [1]), type(x)))
      }
    }

    rule FuseInstanceNormalization level 2 {
      match   { n = InstanceNormalization!(x, $s, $c)  y = Add(Mul(n, $w), $b) }
      where   { along($w, x, [1]) && along($b, x, [1]) : "scale and bias are not one number for each channel" }
      rewrite {
        y = @n(x, cast($s * spread($w, x, [1]), type(s)), cast($c * spread($w, x, [1]) + spread($b, x, [1]), type(s)))
      }
    }

    """)
}
