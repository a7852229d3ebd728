import PassKit

/// Decomposed Softmax and LogSoftmax become one node.
public enum FuseSoftmax {
  public static let pass = RulePass(
    """
    # exp(x) / sum(exp(x)) and its logarithm, also as x - logsumexp(x). A shift by the maximum changes nothing and
    # goes.
    form Normalized(e, s) { Div(e, s) | Mul(e, Reciprocal(s)) }

    rule FuseSoftmax level 2 "recognises decomposed Softmax and LogSoftmax" {
      match   { e = Exp!(x)  s = ReduceSum<keepdims = 1>(e, _)  y = Normalized(e, s) }
      where   {
        is_float(x);
        let a = axes(s);
        length(a) == 1 : "Softmax runs over one axis, the sum over {a}"
      }
      rewrite { y = Softmax<axis = item(a, 0)>(x) }
    }

    rule FuseSoftmax level 2 {
      match   { y = Log(Softmax!<axis = $a>(x)) }
      rewrite { y = LogSoftmax<axis = $a>(x) }
    }

    rule FuseSoftmax level 2 {
      match   { s = ReduceLogSumExp!<keepdims = 1>(x, _)  y = Sub(x, s) }
      where   {
        is_float(x);
        let a = axes(s);
        length(a) == 1 : "LogSoftmax runs over one axis, the sum over {a}"
      }
      rewrite { y = LogSoftmax<axis = item(a, 0)>(x) }
    }

    rule FuseSoftmax level 2 {
      match   { s = ReduceSum<keepdims = 1>(Exp!(x), _)  y = Sub(x, Log(s)) }
      where   {
        is_float(x);
        let a = axes(s);
        length(a) == 1 : "LogSoftmax runs over one axis, the sum over {a}"
      }
      rewrite { y = LogSoftmax<axis = item(a, 0)>(x) }
    }

    rule FuseSoftmax level 2 {
      match   { m = ReduceMax<keepdims = 1>(x, _)  d = Sub(x, m)  y = (Softmax|LogSoftmax)!<axis = $b>(d) }
      where   { axes(m) == [if($b < 0, $b + rank(x), $b)] : "the maximum is taken over other axes" }
      rewrite { y = @y(x) }
    }

    """)
}
