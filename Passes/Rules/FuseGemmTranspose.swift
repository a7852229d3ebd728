import PassKit

/// A Transpose around a product of matrices becomes an attribute of Gemm.
public enum FuseGemmTranspose {
  public static let pass = RulePass(
    """
    rule FuseGemmTranspose level 2 "puts Transposes around a product of matrices into Gemm" {
      match   { v = Transpose&<perm = $p>(a)  y = Gemm<transA = $t>(v, b, ...) }
      where   { default($p, [1, 0]) == [1, 0] : "" }
      rewrite { y = @y<transA = 1 - $t>(a, b) }
    }

    rule FuseGemmTranspose level 2 {
      match   { v = Transpose&<perm = $p>(b)  y = Gemm<transB = $t>(a, v, ...) }
      where   { default($p, [1, 0]) == [1, 0] : "" }
      rewrite { y = @y<transB = 1 - $t>(a, b) }
    }

    rule FuseGemmTranspose level 2 {
      match   { g = Gemm<transA = $s, transB = $t>(a, b)  y = Transpose<perm = $p>(g) }
      where   { default($p, [1, 0]) == [1, 0] : "" }
      rewrite { y = @g<transA = 1 - $t, transB = 1 - $s>(b, a) }
    }

    rule FuseGemmTranspose level 2 {
      match   { t = Transpose&<perm = $p>(a)  y = MatMul(t, b) }
      where   {
        is_float(a) && rank(a) == 2 && rank(b) == 2 : "";
        default($p, [1, 0]) == [1, 0] : ""
      }
      rewrite { y = Gemm<transA = 1>(a, b) }
    }

    rule FuseGemmTranspose level 2 {
      match   { t = Transpose&<perm = $p>(b)  y = MatMul(a, t) }
      where   {
        is_float(a) && rank(a) == 2 && rank(b) == 2 : "";
        default($p, [1, 0]) == [1, 0] : ""
      }
      rewrite { y = Gemm<transB = 1>(a, b) }
    }

    """)
}
