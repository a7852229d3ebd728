import PassKit

/// Folds BatchNormalization and per-column Mul, Div, Add, Sub with constants into the MatMul or Gemm around them.
///
/// Before: `BatchNormalization(MatMul(x, W), s, b, m, v)`. After: `Gemm(x, W', b')`.
/// Before: `Mul(Add(MatMul(x, W), b), s)`. After: `Add(MatMul(x, W'), b')`.
/// Before: `Gemm(Flatten(BatchNormalization(x, ..)), W, b)`. After: `Gemm(Flatten(x), W', b')`.
public enum FuseMatMulScale {
  public static let pass = RewritePass(
    "FuseMatMulScale", level: 2, summary: "folds BatchNormalization and scales into the weights of MatMul and Gemm",
    rules: [
      FoldScale.Behind(name: "MatMulThenScale", products: products),
      FoldScale.Ahead(name: "ScaleThenMatMul", products: products),
    ])

  private static let products: Set<String> = ["MatMul", "Gemm"]
}
