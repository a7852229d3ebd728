import PassKit

/// Folds BatchNormalization and per-channel Mul, Div, Add, Sub with constants into the Conv or ConvTranspose around them.
///
/// Before: `BatchNormalization(Conv(x, W), s, b, m, v)` or `Add(Mul(Conv(x, W), {C,1,1}), {C,1,1})`. After: `Conv(x, W', B')`.
/// Before: `Conv(BatchNormalization(x, ..), W)` without padding. After: `Conv(x, W', B')`. With padding: scales only.
/// Transposes and Reshapes that keep the channels together may stand in between.
public enum FuseConvScale {
  public static let pass = RewritePass(
    "FuseConvScale", level: 2,
    summary: "folds BatchNormalization and per-channel scales and offsets into convolutions",
    rules: [
      FoldScale.Behind(name: "ConvThenScale", products: products),
      FoldScale.Ahead(name: "ScaleThenConv", products: products),
    ])

  private static let products: Set<String> = ["Conv", "ConvTranspose"]
}
