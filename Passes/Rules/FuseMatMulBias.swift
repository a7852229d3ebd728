import PassKit

/// MatMul of two matrices and a bias become one Gemm; an Add behind a Gemm without C becomes its C.
public enum FuseMatMulBias {
  public static let pass = RulePass(
    """
    # Products of higher rank keep their MatMul: flattening them would cost reshapes.
    rule FuseMatMulBias level 2 "turns MatMul and bias of matrices into Gemm" {
      match   { m = MatMul(a, b)  y = Add(m, $c) }
      where   {
        rank(a) == 2 && rank(b) == 2 : "";
        is_float(m) : "";
        broadcasts(c, m) : ""
      }
      rewrite { y = Gemm(a, b, $c) }
    }

    rule FuseMatMulBias level 2 {
      match   { m = Gemm(a, b)  y = Add(m, $c) }
      where   { is_float(m) : ""; broadcasts(c, m) : "" }
      rewrite { y = @m<beta = absent>(a, b, $c) }
    }

    rule FuseMatMulBias level 2 {
      match   { m = Gemm(a, b)  y = Add(m, c) }
      where   { is_float(m) : ""; same_shape(c, m) : "" }
      rewrite { y = @m<beta = absent>(a, b, c) }
    }

    """)
}
