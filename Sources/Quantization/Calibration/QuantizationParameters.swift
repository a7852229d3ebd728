public import Tensors

/// Which integers stand for a value's numbers.
public struct QuantizationScheme: Sendable, Hashable {
  /// uint8, int8, uint16, int16, uint4 or int4.
  public let type: DataType
  /// Zero is the middle code: 0 of signed types, which leave out their least code (int8: -127...127), 128 of uint8.
  public let isSymmetric: Bool
  /// Least and greatest code.
  public let codes: ClosedRange<Int>

  /// Throws `.unsupported` for other types.
  public init(_ type: DataType, isSymmetric: Bool) throws {
    let bits: Int
    switch type {
    case .uint8, .int8: bits = 8
    case .uint16, .int16: bits = 16
    case .uint4, .int4: bits = 4
    default: throw CameoError.unsupported("quantization to \(type)")
    }
    let half = 1 << (bits - 1)
    self.type = type
    self.isSymmetric = isSymmetric
    switch (type.isSignedInteger, isSymmetric) {
    case (true, true): codes = -(half - 1)...half - 1
    case (true, false): codes = -half...half - 1
    case (false, true): codes = 1...2 * half - 1
    case (false, false): codes = 0...2 * half - 1
    }
  }
}

/// x is about (code - zeroPoint) * scale, code = saturate(roundHalfEven(x / scale) + zeroPoint): QuantizeLinear and DequantizeLinear of
/// one scale for a whole tensor. Zero has a code of its own, exactly.
public struct QuantizationParameters: Sendable, Hashable {
  public let type: DataType
  public let scale: Float
  public let zeroPoint: Int
  /// Least and greatest code in use.
  public let codes: ClosedRange<Int>

  /// The parameters that spread the codes over `range`, widened to hold zero. A range of no width gets the scale 1. Symmetric: both
  /// sides reach as far as the farther end. Throws `.badInput` for ends that are not finite or in the wrong order.
  public init(_ range: ValueRange, _ scheme: QuantizationScheme) throws {
    guard range.minimum.isFinite, range.maximum.isFinite, range.minimum <= range.maximum else {
      throw CameoError.badInput("[\(range.minimum), \(range.maximum)] is no range")
    }
    type = scheme.type
    codes = scheme.codes
    let (first, last) = (Double(codes.lowerBound), Double(codes.upperBound))
    let low = Double(min(range.minimum, 0))
    let high = Double(max(range.maximum, 0))
    if scheme.isSymmetric {
      zeroPoint = (codes.lowerBound + codes.upperBound) / 2
      scale = Self.scale(max(-low, high) / Double(codes.upperBound - zeroPoint))
    } else {
      scale = Self.scale((high - low) / (last - first))
      zeroPoint = Int(min(max((first - low / Double(scale)).rounded(.toNearestOrEven), first), last))
    }
  }

  /// As a file states them. `codes`: all of the type's.
  public init(type: DataType, scale: Float, zeroPoint: Int) throws {
    codes = try QuantizationScheme(type, isSymmetric: false).codes
    guard scale.isFinite, scale > 0, codes.contains(zeroPoint) else {
      throw CameoError.badInput("scale \(scale) and zero point \(zeroPoint) of \(type)")
    }
    self.type = type
    self.scale = scale
    self.zeroPoint = zeroPoint
  }

  /// What runtimes may divide by: neither 0 nor subnormal.
  private static func scale(_ exact: Double) -> Float {
    exact == 0 ? 1 : max(Float(exact), .leastNormalMagnitude)
  }

  public func code(_ x: Float) -> Int {
    let rounded = (x / scale).rounded(.toNearestOrEven) + Float(zeroPoint)
    if rounded.isNaN { return zeroPoint }
    return Int(min(max(rounded, Float(codes.lowerBound)), Float(codes.upperBound)))
  }

  public func number(_ code: Int) -> Float { Float(code - zeroPoint) * scale }

  /// x as it is after quantization and back.
  public func rounded(_ x: Float) -> Float { number(code(x)) }

  /// The numbers of the least and the greatest code.
  public var range: ValueRange { ValueRange(number(codes.lowerBound), number(codes.upperBound)) }
}
