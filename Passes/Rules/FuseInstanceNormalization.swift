import PassKit

/// Decomposed InstanceNormalization becomes one node; scale and bias behind it move into it, Reshapes of the image around it go.
public enum FuseInstanceNormalization {
  public static let pass = RulePass(
    """
    # Mean and variance over all spatial axes, which may be open. Where they are known LayerNormalization has come first:
    # it is taken where it says the same and no factor for each of its elements stood behind it.
    \(RuleForms.normalized)
    \(RuleForms.variance)
    \(RuleForms.shifted)

    rule FuseInstanceNormalization level 2 "recognises decomposed InstanceNormalization" {
      match   {
        m = ReduceMean<keepdims = 1>(x, _)  d = Sub&(x, m)  q = Variance(x, m, d)  y = Normalized(d, q, $e)
      }
      where   {
        length(axes(m)) > 0 && axes(m) == range(2, rank(x)) : "";
        is_float(x); type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        operator(q) != "Sub" || type(x) == float :
          "the difference of two means of {type(x)} is mostly rounding: the fused node would differ";
        let r = rank(x);
        let a = axes(m);
        same_shape(m, q) : "mean and variance are taken over different axes";
        !known(slice(shape(x), 2, r)) : "";
        known(slice(shape(x), 1, 2)) : "the number of channels, {dim(x, 1)}, is not known";
        uniform($e) : "epsilon is not one number"
      }
      rewrite {
        y = InstanceNormalization<epsilon = value($e)>(
          x, fill(1, type(x), slice(shape(x), 1, 2)), fill(0, type(x), slice(shape(x), 1, 2)))
      }
    }

    rule FuseInstanceNormalization level 2 {
      match   {
        m = ReduceMean<keepdims = 1>(x, _)  q = Moment(x, m)  f = Mul(InverseRoot(q, $e), $w)
        y = Add(Mul(x, f), Shifted(m, f, $b))
      }
      where   {
        length(axes(m)) > 0 && axes(m) == range(2, rank(x)) : "";
        is_float(x); type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        operator(q) != "Sub" || type(x) == float :
          "the difference of two means of {type(x)} is mostly rounding: the fused node would differ";
        let r = rank(x);
        let a = axes(m);
        same_shape(m, q) : "mean and variance are taken over different axes";
        along($w, x, [1]) && along($b, x, [1]) : "scale and bias are not one number for each channel";
        uniform($e) : "epsilon is not one number"
      }
      rewrite {
        y = InstanceNormalization<epsilon = value($e)>(
          x, cast(spread($w, x, [1]), type(x)), cast(spread($b, x, [1]), type(x)))
      }
    }

    # Channels, or groups of them, behind the spatial axes: two Transposes cost less than the pieces.
    rule FuseInstanceNormalization level 2 {
      match   {
        m = ReduceMean<keepdims = 1>(x, _)  d = Sub&(x, m)  q = Variance(x, m, d)  y = Normalized(d, q, $e)
      }
      where   {
        length(without(range(0, rank(x)), axes(m))) == 2 : "";
        is_float(x); type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        operator(q) != "Sub" || type(x) == float :
          "the difference of two means of {type(x)} is mostly rounding: the fused node would differ";
        let r = rank(x);
        let a = axes(m);
        same_shape(m, q) : "mean and variance are taken over different axes";
        let kept = without(range(0, r), a);
        length(kept) == 2 && item(kept, 0) == 0 : "";
        let k = item(kept, 1);
        k > 1 : "";
        known(slice(shape(x), k, k + 1)) : "the number of channels, {dim(x, k)}, is not known";
        uniform($e) : "epsilon is not one number"
      }
      rewrite {
        t = Transpose<perm = [0] + range(k, r) + range(1, k)>(x)
        n = InstanceNormalization<epsilon = value($e)>(
          t, fill(1, type(x), slice(shape(x), k, k + 1)), fill(0, type(x), slice(shape(x), k, k + 1)))
        y = Transpose<perm = [0] + range(r - k + 1, r) + range(1, r - k + 1)>(n)
      }
    }

    rule FuseInstanceNormalization level 2 {
      match   {
        m = ReduceMean<keepdims = 1>(x, _)  q = Moment(x, m)  f = Mul(InverseRoot(q, $e), $w)
        y = Add(Mul(x, f), Shifted(m, f, $b))
      }
      where   {
        length(without(range(0, rank(x)), axes(m))) == 2 : "";
        is_float(x); type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        operator(q) != "Sub" || type(x) == float :
          "the difference of two means of {type(x)} is mostly rounding: the fused node would differ";
        let r = rank(x);
        let a = axes(m);
        same_shape(m, q) : "mean and variance are taken over different axes";
        let kept = without(range(0, r), a);
        length(kept) == 2 && item(kept, 0) == 0 : "";
        let k = item(kept, 1);
        k > 1 : "";
        known(slice(shape(x), k, k + 1)) : "the number of channels, {dim(x, k)}, is not known";
        uniform($e) : "epsilon is not one number";
        broadcasts(w, x) && broadcasts(b, x) : "scale or bias give the result another shape"
      }
      rewrite {
        t = Transpose<perm = [0] + range(k, r) + range(1, k)>(x)
        n = InstanceNormalization<epsilon = value($e)>(
          t, fill(1, type(x), slice(shape(x), k, k + 1)), fill(0, type(x), slice(shape(x), k, k + 1)))
        y = Add(Mul(Transpose<perm = [0] + range(r - k + 1, r) + range(1, r - k + 1)>(n), $w), $b)
      }
    }

    rule FuseInstanceNormalization level 2 {
      match   { n = InstanceNormalization(x, $s, $c)  t = Transpose<perm = $p>(n)  y = Mul(t, $w) }
      where   {
        item($p, rank(x) - 1) == 1 : "";
        along($w, t, [rank(x) - 1]) : "the factor is not one number for each channel";
        let f = spread($w, t, [rank(x) - 1])
      }
      rewrite { y = @t(@n(x, cast($s * f, type(s)), cast($c * f, type(s)))) }
    }

    rule FuseInstanceNormalization level 2 {
      match   { n = InstanceNormalization(x, $s, $c)  t = Transpose<perm = $p>(n)  y = Add(t, $b) }
      where   {
        item($p, rank(x) - 1) == 1 : "";
        along($b, t, [rank(x) - 1]) : "the summand is not one number for each channel"
      }
      rewrite { y = @t(@n(x, $s, cast($c + spread($b, t, [rank(x) - 1]), type(s)))) }
    }

    rule FuseInstanceNormalization level 2 {
      match   { y = LayerNormalization<axis = $axis, epsilon = $e>(x, 1) }
      where   {
        type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        rank(x) >= 4 && if($axis < 0, $axis + rank(x), $axis) == 2 : "";
        known(slice(shape(x), 1, 2)) : "the number of channels, {dim(x, 1)}, is not known"
      }
      rewrite {
        y = InstanceNormalization<epsilon = $e>(
          x, fill(1, type(x), slice(shape(x), 1, 2)), fill(0, type(x), slice(shape(x), 1, 2)))
      }
    }

    rule FuseInstanceNormalization level 2 {
      match   { n = LayerNormalization<axis = $axis, epsilon = $e>(x, 1)  y = (Mul|Add)(n, $w) }
      where   {
        type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        rank(x) == 3 && if($axis < 0, $axis + rank(x), $axis) == 2 : "";
        along($w, x, [1]) : "scale and bias are not one number for each channel"
      }
      rewrite {
        n2 = InstanceNormalization<epsilon = $e>(
          x, fill(1, type(x), slice(shape(x), 1, 2)), fill(0, type(x), slice(shape(x), 1, 2)))
        y = @y(n2, $w)
      }
    }

    rule FuseInstanceNormalization level 2 {
      match   { r = Reshape(x, _)  n = LayerNormalization<axis = $axis, epsilon = $e>(r, 1)  y = Reshape(n, _) }
      where   {
        type(x) != double : "known runtimes have no InstanceNormalization of doubles";
        rank(x) >= 3 && rank(r) == 3 && same_shape(x, y) : "";
        if($axis < 0, $axis + rank(r), $axis) == 2 : "";
        dim(x, 0) == dim(r, 0) && known(slice(shape(r), 1, 2)) : ""
      }
      rewrite {
        n2 = InstanceNormalization<epsilon = $e>(
          r, fill(1, type(x), slice(shape(r), 1, 2)), fill(0, type(x), slice(shape(r), 1, 2)))
        y = @y(n2)
      }
    }

    rule FuseInstanceNormalization level 2 {
      match   { r = Reshape(x, _)  n = InstanceNormalization(r, $s, $c)  y = Reshape(n, _) }
      where   {
        rank(x) >= 3 && same_shape(x, y) : "";
        dim(x, 0) == dim(r, 0) && dim(x, 1) == dim(r, 1) : ""
      }
      rewrite { y = @n(x) }
    }

    rule FuseInstanceNormalization level 2 {
      match   { n = InstanceNormalization(x, $s, $c)  y = Mul(n, $w) }
      where   { along($w, x, [1]) : "the factor is not one number for each channel" }
      rewrite { y = @n(x, cast($s * spread($w, x, [1]), type(s)), cast($c * spread($w, x, [1]), type(s))) }
    }

    rule FuseInstanceNormalization level 2 {
      match   { n = InstanceNormalization(x, $s, $c)  y = Add(n, $b) }
      where   { along($b, x, [1]) : "the summand is not one number for each channel" }
      rewrite { y = @n(x, $s, cast($c + spread($b, x, [1]), type(s))) }
    }

    """)
}
