/// What the 16 codes of a 4-bit float stand for.
public enum CodeBooks {
  /// FP4 of bitsandbytes: sign, two bits of exponent, one of fraction, over 12.
  public static let fp4: [Float] = {
    let half: [Float] = [0, 0.0625 / 12, 8.0 / 12, 1, 4.0 / 12, 6.0 / 12, 2.0 / 12, 3.0 / 12]
    return half + half.map { -$0 }
  }()
  /// NF4: quantiles of the normal distribution (Dettmers et al., QLoRA, 2023).
  public static let nf4: [Float] = [
    -1, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.091050036, 0, 0.0795803, 0.1609302,
    0.2461123,
    0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
  ]
  /// float4e2m1: sign, two bits of exponent, one of fraction.
  public static let e2m1: [Float] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]
}
