import PassKit

/// BatchNormalization and factors of each column behind a product with constant weights move into them.
public enum FuseMatMulScale {
  public static let pass = RulePass(
    """
    # Mul or Div of columns or of everything; BatchNormalization behind MatMul or Gemm, also with the channels moved
    # to axis 1 and back.
    rule FuseMatMulScale level 2 "folds BatchNormalization and scales into the weights of MatMul and Gemm" {
      match   { m = MatMul!(x, $w)  y = Mul(m, $s) }
      where   {
        is_float(x) && rank(w) == 2 : "the weights are no matrix";
        readers(w) == 1 : "the weights are read elsewhere";
        let c = [rank(m) - 1];
        along($s, m, c) : "the factor varies along other axes than the columns"
      }
      rewrite { y = MatMul(x, cast($w * spread($s, m, c), type(w))) }
    }

    rule FuseMatMulScale level 2 {
      match   { a = Add(MatMul!(x, $w), $b)  y = Mul(a, $s) }
      where   {
        is_float(x) && rank(w) == 2 : "the weights are no matrix";
        readers(w) == 1 : "the weights are read elsewhere";
        let c = [rank(a) - 1];
        along($s, a, c) && along($b, a, c) : "the factor varies along other axes than the columns"
      }
      rewrite {
        y = Add(MatMul(x, cast($w * spread($s, a, c), type(w))), cast(spread($b, a, c) * spread($s, a, c), type(w)))
      }
    }

    rule FuseMatMulScale level 2 {
      match   { g = Gemm!<transB = $t>(x, $w, $b)  y = Mul(g, $s) }
      where   {
        readers(w) == 1 : "the weights are read elsewhere";
        along($s, g, [1]) && along($b, g, [1]) : "the factor varies along other axes than the columns";
        let f = spread($s, g, [1])
      }
      rewrite {
        y = @g(x, cast($w * if($t == 1, reshape(f, [-1, 1]), f), type(w)), cast(spread($b, g, [1]) * f, type(w)))
      }
    }

    rule FuseMatMulScale level 2 {
      match   {
        g = Gemm<transB = $t>(x, $w, $b)
        y = BatchNormalization!<epsilon = $e, training_mode = 0>(g, $s, $o, $m, $v)
      }
      where   {
        readers(w) == 1 : "the weights are read elsewhere";
        along($b, g, [1]) : "the bias is not one number for each column";
        let f = cast($s, double) / sqrt(cast($v, double) + $e);
        let c = spread($b, g, [1])
      }
      rewrite {
        y = @g<alpha = absent, beta = absent>(
          x, cast(cast($w, double) * if($t == 1, reshape(f, [-1, 1]), f), type(w)), cast((c - $m) * f + $o, type(w)))
      }
    }

    rule FuseMatMulScale level 2 {
      match   { p = MatMul(x, $w)  y = BatchNormalization!<epsilon = $e, training_mode = 0>(p, $s, $o, $m, $v) }
      where   {
        is_float(x) && rank(x) == 2 && rank(w) == 2 : "the product is not one of matrices";
        readers(w) == 1 : "the weights are read elsewhere";
        let f = cast($s, double) / sqrt(cast($v, double) + $e)
      }
      rewrite {
        y = Gemm(x, cast(cast($w, double) * f, type(w)), cast(cast($o, double) - cast($m, double) * f, type(w)))
      }
    }

    rule FuseMatMulScale level 2 {
      match   {
        p = MatMul(x, $w)  t = Transpose<perm = [0, 2, 1]>(p)
        n = BatchNormalization!<epsilon = $e, training_mode = 0>(t, $s, $o, $m, $v)  y = Transpose<perm = [0, 2, 1]>(n)
      }
      where   {
        is_float(x) && rank(w) == 2 : "the weights are no matrix";
        readers(w) == 1 : "the weights are read elsewhere";
        let f = cast($s, double) / sqrt(cast($v, double) + $e)
      }
      rewrite {
        y = Add(MatMul(x, cast(cast($w, double) * f, type(w))), cast(cast($o, double) - cast($m, double) * f, type(w)))
      }
    }

    """)
}
