import PassKit

/// Chains of Min, Max, Relu and Clip become one Clip.
public enum MergeClips {
  public static let pass = RulePass(
    """
    # Clip(x, low, high) is Min(Max(x, low), high).
    rule MergeClips level 2 "makes one Clip of chains of Min, Max, Relu and Clip" {
      match   { m = Max(x, $l)  y = Min(m, $h) }
      where   {
        is_float(x) : "";
        uniform($l) && uniform($h) : "a bound is not one number";
        same_shape(x, y) : "a bound gives the result another shape"
      }
      rewrite { y = Clip(x, value($l), value($h)) }
    }

    rule MergeClips level 2 {
      match   { m = Min(x, $h)  y = Max(m, $l) }
      where   {
        is_float(x) : "";
        uniform($l) && uniform($h) : "a bound is not one number";
        value($l) <= value($h) : "the bounds cross: {value($l)} and {value($h)}";
        same_shape(x, y) : "a bound gives the result another shape"
      }
      rewrite { y = Clip(x, value($l), value($h)) }
    }

    form Rectified(x) { Relu(x) | Clip(x, 0, "") }

    rule MergeClips level 2 {
      match   { y = Min(Rectified(x), $h) }
      where   {
        is_float(x) : "";
        uniform($h) && value($h) >= 0 : "the upper bound is not one number from 0 upwards";
        same_shape(x, y) : "a bound gives the result another shape"
      }
      rewrite { y = Clip(x, 0, value($h)) }
    }

    rule MergeClips level 2 {
      match   { y = Relu(Min(x, $h)) }
      where   {
        is_float(x) : "";
        uniform($h) && value($h) >= 0 : "the upper bound is not one number from 0 upwards";
        same_shape(x, y) : "a bound gives the result another shape"
      }
      rewrite { y = Clip(x, 0, value($h)) }
    }

    rule MergeClips level 2 {
      match   { r = Relu!(x)  y = Clip(r, $l, $h) }
      where   { value($l) <= value($h) : "the bounds cross: {value($l)} and {value($h)}" }
      rewrite { y = Clip(x, max(value($l), 0), max(value($h), 0)) }
    }

    rule MergeClips level 2 {
      match   { r = Relu!(x)  y = Clip(r, "", $h) }
      rewrite { y = Clip(x, 0, max(value($h), 0)) }
    }

    rule MergeClips level 2 {
      match   { c = Clip!(x, $l, $h)  y = Relu(c) }
      where   { value($l) <= value($h) : "the bounds cross: {value($l)} and {value($h)}" }
      rewrite { y = Clip(x, max(value($l), 0), max(value($h), 0)) }
    }

    rule MergeClips level 2 {
      match   { c = Clip!(x, $l, $h)  y = Clip(c, $m, $i) }
      where   {
        is_float(x) : "";
        value($l) <= value($h) && value($m) <= value($i) : "the bounds cross"
      }
      rewrite { y = Clip(x, min(max(value($l), value($m)), value($i)), min(max(value($h), value($m)), value($i))) }
    }

    """)
}
