import PassKit

/// Slices that follow each other become one.
public enum MergeSlices {
  public static let pass = RulePass(
    """
    rule MergeSlices level 1 "makes one Slice of two" {
      match   { s = Slice(x, $a, $b, $c)  y = Slice(s, $d, $e, $f) }
      where   { disjoint(axes(s), axes(y)) : "" }
      rewrite { y = Slice(x, list($a) + list($d), list($b) + list($e), list($c) + list($f)) }
    }

    rule MergeSlices level 1 {
      match   { s = Slice(x, $a, $b, $c, $u)  y = Slice(s, $d, $e, $f, $v) }
      where   { disjoint(axes(s), axes(y)) : "" }
      rewrite { y = Slice(x, list($a) + list($d), list($b) + list($e), list($c) + list($f), list($u) + list($v)) }
    }

    form Plain(x, a, b, c) { Slice(x, $a, $b, $c) | Slice(x, $a, $b, $c, 1) }

    rule MergeSlices level 1 {
      match   { s = Plain(x, $a, $b, $c)  y = Plain(s, $d, $e, $f) }
      where   {
        length(axes(s)) == 1 && axes(s) == axes(y) : "";
        lowest($a) >= 0 && lowest($b) >= 0 && lowest($d) >= 0 && lowest($e) >= 0 : "";
        let l = item(list($a), 0);
        let h = min(item(list($b), 0), l + min(item(list($e), 0), 1099511627776))
      }
      rewrite { y = Slice(x, [l + item(list($d), 0)], [h], list($c)) }
    }

    """)
}
