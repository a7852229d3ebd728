import PassKit

/// Decomposed LayerNormalization becomes one node; scale and bias behind it move into it.
public enum FuseLayerNormalization {
  public static let pass = RulePass(
    """
    # d = x - mean(x), n = d / sqrt(variance + epsilon), then a factor and a summand for each normalised element. The
    # variance may be written as mean(x^2) - mean(x)^2: the fused node is the more accurate one. In half precision that
    # difference is mostly rounding, and the fused node would give other numbers than the file. Scale and bias may be
    # folded as TensorFlow does it. Half precision is computed in floats between casts, as stash_type says.
    \(RuleForms.normalized)
    \(RuleForms.variance)
    \(RuleForms.shifted)

    # Sums in the place of means are told of.
    form Deviation(x, m, d) { Variance(x, m, d) | ReduceSum<keepdims = 1>(Mul(d, d), _) }

    rule FuseLayerNormalization level 2 "recognises decomposed LayerNormalization" {
      match   {
        m = (ReduceMean|ReduceSum)!<keepdims = 1>(x, _)  d = Sub&(x, m)  q = Deviation(x, m, d)
        y = Normalized(d, q, $e)
      }
      where   {
        operator(m) == "ReduceMean" && operator(q) != "ReduceSum" : "a ReduceSum stands where a ReduceMean was expected";
        is_float(x); type(x) != double : "LayerNormalization computes in floats, x is of doubles";
        operator(q) != "Sub" || type(x) == float :
          "the difference of two means of {type(x)} is mostly rounding: the fused node would differ";
        let a = axes(m);
        same_shape(m, q) : "mean and variance are taken over different axes";
        length(a) > 0 && a == range(rank(x) - length(a), rank(x)) :
          "the axes {a} are not the last ones of a tensor of rank {rank(x)}";
        let s = slice(shape(x), -length(a), rank(x));
        known(s) : "the normalised dimensions are not known";
        uniform($e) : "epsilon is not one number"
      }
      rewrite { y = LayerNormalization<axis = -length(a), epsilon = value($e)>(x, fill(1, type(x), s)) }
    }

    rule FuseLayerNormalization level 2 {
      match   {
        m = ReduceMean!<keepdims = 1>(x, _)  q = Moment(x, m)  f = Mul(InverseRoot(q, $e), $w)
        y = Add(Mul(x, f), Shifted(m, f, $b))
      }
      where   {
        is_float(x); type(x) != double : "LayerNormalization computes in floats, x is of doubles";
        operator(q) != "Sub" || type(x) == float :
          "the difference of two means of {type(x)} is mostly rounding: the fused node would differ";
        let a = axes(m);
        same_shape(m, q) : "mean and variance are taken over different axes";
        length(a) > 0 && a == range(rank(x) - length(a), rank(x)) :
          "the axes {a} are not the last ones of a tensor of rank {rank(x)}";
        let s = slice(shape(x), -length(a), rank(x));
        known(s) : "the normalised dimensions are not known";
        uniform($e) : "epsilon is not one number";
        along($w, x, a) && along($b, x, a) : "scale or bias vary along other axes than the normalised ones"
      }
      rewrite { y = LayerNormalization<axis = -length(a), epsilon = value($e)>(x, spread($w, x, a), spread($b, x, a)) }
    }

    rule FuseLayerNormalization level 2 {
      match   { n = LayerNormalization<axis = $axis>(x, $s)  y = Mul(n, $w) }
      where   {
        let r = rank(x);
        let a = range(if($axis < 0, $axis + r, $axis), r);
        along($w, x, a) : "the factor varies along other axes than the normalised ones"
      }
      rewrite { y = @n(x, cast($s * spread($w, x, a), type(s))) }
    }

    rule FuseLayerNormalization level 2 {
      match   { n = LayerNormalization<axis = $axis>(x, $s, $b)  y = Mul(n, $w) }
      where   {
        let r = rank(x);
        let a = range(if($axis < 0, $axis + r, $axis), r);
        along($w, x, a) : "the factor varies along other axes than the normalised ones"
      }
      rewrite { y = @n(x, cast($s * spread($w, x, a), type(s)), cast($b * spread($w, x, a), type(b))) }
    }

    rule FuseLayerNormalization level 2 {
      match   { n = LayerNormalization<axis = $axis>(x, $s)  y = Add(n, $b) }
      where   {
        let r = rank(x);
        let a = range(if($axis < 0, $axis + r, $axis), r);
        along($b, x, a) : "the summand varies along other axes than the normalised ones"
      }
      rewrite { y = @n(x, $s, cast(spread($b, x, a), type(s))) }
    }

    rule FuseLayerNormalization level 2 {
      match   { n = LayerNormalization<axis = $axis>(x, $s, $c)  y = Add(n, $b) }
      where   {
        let r = rank(x);
        let a = range(if($axis < 0, $axis + r, $axis), r);
        along($b, x, a) : "the summand varies along other axes than the normalised ones"
      }
      rewrite { y = @n(x, $s, cast($c + spread($b, x, a), type(c))) }
    }

    rule FuseLayerNormalization level 2 {
      match   { w = Cast&(x)  n = LayerNormalization<stash_type = 1>(w, $s)  y = Cast(n) }
      where   {
        type(y) == type(x) : "the result is cast to another type than the input's";
        type(x) in (float16, bfloat16) && type(w) == float : "it is not half precision computed in floats";
        uniform($s) && value($s) == 1 : "the scale is applied before the result is rounded"
      }
      rewrite { y = @n(x, fill(1, type(x), shape(s))) }
    }

    """)
}
