import PassKit

/// A reduction whose axes are squeezed away drops them itself.
public enum DropReducedAxes {
  public static let pass = RulePass(
    """
    rule DropReducedAxes level 1 "lets reductions drop axes that are squeezed away, and keep those that are put back" {
      match   {
        r = (ReduceSum|ReduceMean|ReduceMax|ReduceMin|ReduceProd|ReduceL1|ReduceL2|ReduceSumSquare|ReduceLogSum
          |ReduceLogSumExp|ArgMax|ArgMin)<keepdims = 1>(x, ...)
        y = (Squeeze|Reshape)(r, ...)
      }
      where   {
        let a = axes(r);
        shape(y) == without(shape(x), a) : ""
      }
      rewrite { y = @r<keepdims = 0>(x) }
    }

    rule DropReducedAxes level 1 {
      match   {
        r = (ReduceSum|ReduceMean|ReduceMax|ReduceMin|ReduceProd|ReduceL1|ReduceL2|ReduceSumSquare|ReduceLogSum
          |ReduceLogSumExp|ArgMax|ArgMin)!<keepdims = 0>(x, ...)
        y = (Unsqueeze|Reshape)(r, ...)
      }
      where   {
        let a = axes(r);
        rank(y) == rank(x) && without(shape(y), a) == without(shape(x), a) && span(y, a) == 1 :
          "other axes are added than those of the reduction"
      }
      rewrite { y = @r<keepdims = 1>(x) }
    }

    """)
}
