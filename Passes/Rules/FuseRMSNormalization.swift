import PassKit

/// Decomposed RMSNormalization becomes one node; the scale behind it moves into it.
public enum FuseRMSNormalization {
  public static let pass = RulePass(
    """
    # n = x / sqrt(mean(x^2) + epsilon), then a factor for each normalised element. Half precision is computed in
    # floats between casts, as stash_type says. d / sqrt(q + e).
    \(RuleForms.normalized)

    rule FuseRMSNormalization level 2 "recognises decomposed RMSNormalization" {
      match   { q = (ReduceMean|ReduceSum)!<keepdims = $k>(Mul(x, x), _)  y = Normalized(x, q, $e) }
      where   {
        operator(q) == "ReduceMean" : "a ReduceSum of the squares stands where their ReduceMean was expected";
        is_float(x); type(x) != double : "RMSNormalization computes in floats, x is of doubles";
        $k == 1 : "the reduction drops its axes";
        let a = axes(q);
        length(a) > 0 && a == range(rank(x) - length(a), rank(x)) :
          "the axes {a} are not the last ones of a tensor of rank {rank(x)}";
        let s = slice(shape(x), -length(a), rank(x));
        known(s) : "the normalised dimensions are not known";
        uniform($e) : "epsilon is not one number"
      }
      rewrite { y = RMSNormalization<axis = -length(a), epsilon = value($e)>(x, fill(1, type(x), s)) }
    }

    rule FuseRMSNormalization level 2 {
      match   { n = RMSNormalization<axis = $axis>(x, $s)  y = Mul(n, $w) }
      where   {
        let r = rank(x);
        let a = range(if($axis < 0, $axis + r, $axis), r);
        along($w, x, a) : "the factor varies along other axes than the normalised ones"
      }
      rewrite { y = @n(x, cast($s * spread($w, x, a), type(s))) }
    }

    rule FuseRMSNormalization level 2 {
      match   { w = Cast&(x)  n = RMSNormalization<stash_type = 1>(w, $s)  y = Cast(n) }
      where   {
        type(y) == type(x) : "the result is cast to another type than the input's";
        type(x) in (float16, bfloat16) && type(w) == float : "it is not half precision computed in floats";
        uniform($s) && value($s) == 1 : "the scale is applied before the result is rounded"
      }
      rewrite { y = @n(x, fill(1, type(x), shape(s))) }
    }

    """)
}
