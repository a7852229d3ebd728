public import Tensors

/// How the numbers of a weight are written: type, scale, zero point, and how many numbers share them.
public struct WeightFormat: Sendable, Hashable {
  public enum Encoding: String, Sendable, CaseIterable {
    case int8, uint8, int4, uint4, int2, uint2
    /// 16 quantiles of the normal distribution (Dettmers et al., QLoRA, 2023).
    case nf4
    /// E2M1: 0, 0.5, 1, 1.5, 2, 3, 4, 6 and their negatives.
    case fp4
    case float8e4m3fn, float8e5m2
  }

  public enum Scheme: String, Sendable, CaseIterable {
    /// The zero point is the middle of the codes: one scale a block.
    case symmetric
    /// Scale and zero point a block; integers only.
    case affine
  }

  public let encoding: Encoding
  /// Neighbours along the depth that share a scale: 16, 32, 64, 128 or 256; nil: all numbers of an output channel do.
  public let groupSize: Int?
  public let scheme: Scheme
  /// The scales themselves are written in 8 bits, affine, 256 of them sharing a float scale (QLoRA's double
  /// quantization). NF4 and FP4 only.
  public let quantizesScales: Bool
  /// The most negative code of a symmetric signed type is not used: codes lie evenly about 0, as an integer product wants them.
  var isBalanced = false

  public static let groupSizes = [16, 32, 64, 128, 256]

  /// `scheme` nil: affine for unsigned integers, else symmetric. Throws `.unsupported` for what cannot be written.
  public init(
    _ encoding: Encoding, groupSize: Int? = 32, scheme: Scheme? = nil, quantizesScales: Bool = false
  ) throws {
    if let groupSize, !WeightFormat.groupSizes.contains(groupSize) {
      throw CameoError.unsupported("blocks of \(groupSize): there are \(WeightFormat.groupSizes)")
    }
    let isUnsigned = encoding == .uint8 || encoding == .uint4 || encoding == .uint2
    let chosen = scheme ?? (isUnsigned ? .affine : .symmetric)
    guard chosen == .symmetric || encoding.isInteger else {
      throw CameoError.unsupported("\(encoding.rawValue) has no zero point: it is symmetric")
    }
    guard !quantizesScales || encoding.isCodeBook else {
      throw CameoError.unsupported("double quantization is for nf4 and fp4, not for \(encoding.rawValue)")
    }
    self.encoding = encoding
    self.groupSize = groupSize
    self.scheme = chosen
    self.quantizesScales = quantizesScales
  }

  /// The element type of the codes.
  public var codeType: DataType { encoding.codeType }

  /// Blocks of a row of `depth` numbers; the last may be shorter.
  public func groups(depth: Int) -> Int { groupSize.map { (depth + $0 - 1) / $0 } ?? 1 }

  /// `int4, blocks of 32, affine`.
  public var text: String {
    let blocks = groupSize.map { "blocks of \($0)" } ?? "per channel"
    return "\(encoding.rawValue), \(blocks), \(scheme.rawValue)" + (quantizesScales ? ", 8-bit scales" : "")
  }
}

extension WeightFormat.Encoding {
  public var codeType: DataType {
    switch self {
    case .int8: .int8
    case .uint8: .uint8
    case .int4: .int4
    case .uint4, .nf4: .uint4
    case .fp4: .uint4
    case .int2: .int2
    case .uint2: .uint2
    case .float8e4m3fn: .float8e4m3fn
    case .float8e5m2: .float8e5m2
    }
  }

  public var isCodeBook: Bool { self == .nf4 || self == .fp4 }
  public var isInteger: Bool { !isCodeBook && !codeType.isFloatingPoint }

  /// The first opset whose DequantizeLinear reads it; code books need Gather and a Cast of uint4 only.
  func opset(isBlocked: Bool) -> Int {
    switch self {
    case .int8, .uint8: isBlocked ? 21 : 13
    case .int4, .uint4, .nf4, .fp4: 21
    case .int2, .uint2: 25
    case .float8e4m3fn, .float8e5m2: isBlocked ? 21 : 19
    }
  }

  /// What the 16 codes of a code book stand for, times the block's scale.
  var book: [Float] {
    switch self {
    case .nf4:
      [
        -1, -0.6961928, -0.52507305, -0.39491749, -0.28444138, -0.18477343, -0.091050036, 0, 0.0795803, 0.1609302,
        0.2461123, 0.33791524, 0.44070983, 0.562617, 0.72295684, 1,
      ]
    case .fp4: (0..<16).map { SmallFloats.Format.e2m1.decode(UInt8($0)) }
    default: []
    }
  }
}
