import PassKit

/// Compositions of a reduction and an element-wise operator become one reduction.
public enum FuseReduction {
  public static let pass = RulePass(
    """
    # ReduceSum(x * x) is ReduceSumSquare, its root ReduceL2, ReduceSum(|x|) ReduceL1, Log(ReduceSum(Exp(x)))
    # ReduceLogSumExp (also shifted by the maximum, also by ReduceMax), Log(ReduceSum(x)) ReduceLogSum, ReduceSum(x)
    # / n ReduceMean.
    rule FuseReduction level 2 "merges reductions with what is computed element by element around them" {
      match   { m = ReduceMax<keepdims = 1>(x, _)  s = ReduceLogSumExp<keepdims = 1>(Sub(x, m), _)  y = Add(s, m) }
      where   {
        is_float(x) : "";
        let a = axes(s);
        axes(m) == a : "";
        keeps("ReduceLogSumExp") : ""
      }
      rewrite { y = ReduceLogSumExp<keepdims = 1>(x, a) }
    }

    rule FuseReduction level 2 {
      match   { s = ReduceSum<keepdims = $k>(Exp(x), _)  y = Log(s) }
      where   {
        is_float(x) : "";
        let a = axes(s);
        length(a) > 0 : "";
        keeps("ReduceLogSumExp") : ""
      }
      rewrite { y = ReduceLogSumExp<keepdims = $k>(x, a) }
    }

    rule FuseReduction level 2 {
      match   { s = ReduceSum<keepdims = $k>(x, _)  y = Log(s) }
      where   {
        is_float(x) : "";
        let a = axes(s);
        length(a) > 0 : "";
        keeps("ReduceLogSum") : ""
      }
      rewrite { y = ReduceLogSum<keepdims = $k>(x, a) }
    }

    rule FuseReduction level 2 {
      match   { s = ReduceSumSquare<keepdims = $k>(x, _)  y = Sqrt(s) }
      where   {
        is_float(x) : "";
        let a = axes(s);
        length(a) > 0 : "";
        keeps("ReduceL2") : ""
      }
      rewrite { y = ReduceL2<keepdims = $k>(x, a) }
    }

    rule FuseReduction level 2 {
      match   { s = ReduceL2<keepdims = $k>(x, _)  y = Mul(s, s) }
      where   {
        is_float(x) : "";
        let a = axes(s);
        length(a) > 0 : "";
        keeps("ReduceSumSquare") : ""
      }
      rewrite { y = ReduceSumSquare<keepdims = $k>(x, a) }
    }

    rule FuseReduction level 2 {
      match   { y = ReduceSum<keepdims = $k>(Mul(x, x), _) }
      where   {
        is_float(x) : "";
        let a = axes(y);
        length(a) > 0 : "";
        keeps("ReduceSumSquare") : ""
      }
      rewrite { y = ReduceSumSquare<keepdims = $k>(x, a) }
    }

    rule FuseReduction level 2 {
      match   { y = ReduceSum<keepdims = $k>(Abs(x), _) }
      where   {
        is_float(x) : "";
        let a = axes(y);
        length(a) > 0 : "";
        keeps("ReduceL1") : ""
      }
      rewrite { y = ReduceL1<keepdims = $k>(x, a) }
    }

    rule FuseReduction level 2 {
      match   { s = ReduceSum<keepdims = $k>(x, _)  y = Mul(s, $c) }
      where   {
        is_float(x) : "";
        let a = axes(s);
        uniform($c) && abs(value($c) * span(x, a) - 1) < 0.000001 : "";
        same_shape(s, y) : ""
      }
      rewrite { y = ReduceMean<keepdims = $k>(x, a) }
    }

    rule FuseReduction level 2 {
      match   { s = ReduceSumSquare<keepdims = $k>(x, _)  y = Mul(s, $c) }
      where   {
        is_float(x);
        let a = axes(s);
        uniform($c) && abs(value($c) * span(x, a) - 1) < 0.000001 : "the factor is not one over the number of elements";
        same_shape(s, y) : "the factor gives the result another shape"
      }
      rewrite { y = ReduceMean<keepdims = $k>(Mul(x, x), a) }
    }

    """)
}
