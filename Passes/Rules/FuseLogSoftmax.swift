import PassKit

/// Decomposed LogSoftmax becomes one node; a shift by the maximum in front of it or of Softmax goes.
public enum FuseLogSoftmax {
  public static let pass = RulePass(
    """
    # log(softmax(x)), also as x - logsumexp(x). A shift by the maximum changes nothing and goes.
    rule FuseLogSoftmax level 2 "recognises LogSoftmax, and Softmax behind a shift" {
      match   { y = Log(Softmax!<axis = $a>(x)) }
      rewrite { y = LogSoftmax<axis = $a>(x) }
    }

    rule FuseLogSoftmax level 2 {
      match   { s = ReduceLogSumExp!<keepdims = 1>(x, _)  y = Sub(x, s) }
      where   {
        is_float(x);
        let a = axes(s);
        length(a) == 1 : "LogSoftmax runs over one axis, the sum over {a}"
      }
      rewrite { y = LogSoftmax<axis = item(a, 0)>(x) }
    }

    rule FuseLogSoftmax level 2 {
      match   { s = ReduceSum<keepdims = 1>(Exp!(x), _)  y = Sub(x, Log(s)) }
      where   {
        is_float(x);
        let a = axes(s);
        length(a) == 1 : "LogSoftmax runs over one axis, the sum over {a}"
      }
      rewrite { y = LogSoftmax<axis = item(a, 0)>(x) }
    }

    rule FuseLogSoftmax level 2 {
      match   { m = ReduceMax<keepdims = 1>(x, _)  d = Sub(x, m)  y = (Softmax|LogSoftmax)!<axis = $b>(d) }
      where   { axes(m) == [if($b < 0, $b + rank(x), $b)] : "the maximum is taken over other axes" }
      rewrite { y = @y(x) }
    }

    """)
}
