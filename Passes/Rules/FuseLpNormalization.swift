import PassKit

/// x divided by its L1 or L2 norm along an axis becomes LpNormalization.
public enum FuseLpNormalization {
  public static let pass = RulePass(
    """
    # On a vector of zeros the division gives NaN, LpNormalization 0.
    form Over(x, n) { Div(x, n) | Mul(x, Reciprocal(n)) }
    form Root(x, n) {
      n = ReduceL2!<keepdims = 1>(x, _)  Over(x, n)
      | n = ReduceSumSquare!<keepdims = 1>(x, _)  Over(x, Sqrt(n))
      | n = ReduceSum<keepdims = 1>(Mul!(x, x), _)  Over(x, Sqrt(n))
    }
    form Bounded(n, e) { Max!(n, $e) | Clip!(n, $e, ...) }

    rule FuseLpNormalization level 2 "recognises the division by an L1 or L2 norm" {
      match   { y = Root(x, n) }
      where   {
        let a = axes(n);
        length(a) == 1 : "LpNormalization runs over one axis, the norm over {a}"
      }
      rewrite { y = LpNormalization<axis = item(a, 0), p = 2>(x) }
    }

    form Scaled(x, n, c) {
      n = ReduceL2!<keepdims = 1>(x, _)  Mul(n, $c)
      | n = ReduceSumSquare!<keepdims = 1>(x, _)  Mul(Sqrt(n), $c)
      | n = ReduceSum<keepdims = 1>(Mul!(x, x), _)  Mul(Sqrt(n), $c)
    }

    rule FuseLpNormalization level 2 {
      match   { y = Over(x, Scaled(x, n, $c)) }
      where   {
        let a = axes(n);
        length(a) == 1 : "LpNormalization runs over one axis, the norm over {a}";
        uniform($c) && value($c) > 0 : "the unit of the norm is not one positive number";
        same_shape(x, y) : "the unit gives the result another shape"
      }
      rewrite { y = Mul(LpNormalization<axis = item(a, 0), p = 2>(x), 1 / value($c)) }
    }

    rule FuseLpNormalization level 2 {
      match   { n = ReduceL1!<keepdims = 1>(x, _)  y = Div(x, n) }
      where   {
        let a = axes(n);
        length(a) == 1 : "LpNormalization runs over one axis, the norm over {a}"
      }
      rewrite { y = LpNormalization<axis = item(a, 0), p = 1>(x) }
    }

    rule FuseLpNormalization level 2 {
      match   { n = ReduceL2<keepdims = 1>(x, _)  y = Div(x, Bounded(n, $e)) }
      where   { value($e) == 0 : "the norm is kept from falling below {value($e)}, LpNormalization has no such bound" }
      rewrite { y = LpNormalization<axis = item(axes(n), 0), p = 2>(x) }
    }

    """)
}
