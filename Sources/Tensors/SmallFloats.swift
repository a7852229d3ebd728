/// Codecs of the floating-point types narrower than 32 bits: decode to Float is exact, encode rounds to nearest even.
public enum SmallFloats {
  @inlinable public static func float(fromHalf bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let exponent = UInt32(bits >> 10) & 0x1f
    let fraction = UInt32(bits) & 0x3ff
    if exponent == 0x1f { return Float(bitPattern: sign | 0x7f80_0000 | fraction << 13) }
    if exponent != 0 { return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13) }
    let magnitude = Float(fraction) * 0x1p-24
    return sign == 0 ? magnitude : -magnitude
  }

  @inlinable public static func half(from value: Float) -> UInt16 {
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    let magnitude = bits & 0x7fff_ffff
    if magnitude > 0x7f80_0000 { return sign | 0x7e00 | UInt16(truncatingIfNeeded: magnitude >> 13 & 0x1ff) }
    if magnitude >= 0x477f_f000 { return sign | 0x7c00 }
    if magnitude < 0x3880_0000 {
      // Subnormal: the unit in the last place is 2^-24; rounding of the scaled value is to nearest even.
      let scaled = (Float(bitPattern: magnitude) * 0x1p24).rounded(.toNearestOrEven)
      return sign | UInt16(scaled)
    }
    let rounded = magnitude &+ 0xfff &+ (magnitude >> 13 & 1)
    return sign | UInt16(truncatingIfNeeded: (rounded &- 0x3800_0000) >> 13)
  }

  @inlinable public static func float(fromBFloat16 bits: UInt16) -> Float { Float(bitPattern: UInt32(bits) << 16) }

  @inlinable public static func bfloat16(from value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits &+ 0x7fff &+ (bits >> 16 & 1)) >> 16)
  }

  /// An 8-bit (or smaller) format: layout and special values.
  public struct Format: Sendable {
    let exponentBits: Int
    let fractionBits: Int
    let bias: Int
    /// e5m2 has infinities; the others have none.
    let hasInfinity: Bool
    /// fnuz: the only NaN is 0x80 and there is no negative zero.
    let isUnsignedZero: Bool
    /// e2m1 has neither NaN nor infinity.
    let hasNaN: Bool

    public static let e4m3fn = Format(
      exponentBits: 4, fractionBits: 3, bias: 7, hasInfinity: false, isUnsignedZero: false, hasNaN: true)
    public static let e4m3fnuz = Format(
      exponentBits: 4, fractionBits: 3, bias: 8, hasInfinity: false, isUnsignedZero: true, hasNaN: true)
    public static let e5m2 = Format(
      exponentBits: 5, fractionBits: 2, bias: 15, hasInfinity: true, isUnsignedZero: false, hasNaN: true)
    public static let e5m2fnuz = Format(
      exponentBits: 5, fractionBits: 2, bias: 16, hasInfinity: false, isUnsignedZero: true, hasNaN: true)
    public static let e2m1 = Format(
      exponentBits: 2, fractionBits: 1, bias: 1, hasInfinity: false, isUnsignedZero: false, hasNaN: false)

    public static let e2m3 = Format(
      exponentBits: 2, fractionBits: 3, bias: 1, hasInfinity: false, isUnsignedZero: false, hasNaN: false)
    public static let e3m2 = Format(
      exponentBits: 3, fractionBits: 2, bias: 3, hasInfinity: false, isUnsignedZero: false, hasNaN: false)

    private var signBit: Int { exponentBits + fractionBits }
    private var magnitudeMask: UInt8 { UInt8((1 << signBit) - 1) }

    /// The code of the largest finite magnitude.
    var maximumCode: UInt8 {
      if hasInfinity { return UInt8((((1 << exponentBits) - 1) << fractionBits) - 1) }
      return hasNaN && !isUnsignedZero ? magnitudeMask - 1 : magnitudeMask
    }

    public func decode(_ code: UInt8) -> Float {
      let negative = code >> signBit & 1 == 1
      let magnitude = code & magnitudeMask
      if isUnsignedZero && negative && magnitude == 0 { return .nan }
      if hasNaN && !isUnsignedZero && magnitude > maximumCode {
        if hasInfinity && magnitude == maximumCode + 1 { return negative ? -.infinity : .infinity }
        return .nan
      }
      let exponent = Int(magnitude) >> fractionBits
      let fraction = Float(Int(magnitude) & ((1 << fractionBits) - 1)) / Float(1 << fractionBits)
      let value =
        exponent == 0
        ? fraction * Float(sign: .plus, exponent: 1 - bias, significand: 1)
        : (1 + fraction) * Float(sign: .plus, exponent: exponent - bias, significand: 1)
      return negative ? -value : value
    }

    /// Rounds to nearest even. `saturate` clamps finite overflow and infinities to the largest finite value; without it they
    /// become NaN, or infinity where the format has one.
    public func encode(_ value: Float, saturate: Bool = true) -> UInt8 {
      let sign: UInt8 = value.sign == .minus ? 1 << signBit : 0
      if value.isNaN {
        if !hasNaN { return maximumCode }
        return isUnsignedZero ? 0x80 : sign | magnitudeMask
      }
      let magnitude = value.magnitude
      if magnitude == 0 { return isUnsignedZero ? 0 : sign }
      let overflow: UInt8 = isUnsignedZero ? 0x80 : sign | (hasInfinity ? maximumCode + 1 : magnitudeMask)
      if magnitude.isInfinite { return saturate || !hasNaN ? sign | maximumCode : overflow }
      let exponent = max(Int(magnitude.exponent), 1 - bias)
      let scaled = Double(magnitude) * Double(sign: .plus, exponent: fractionBits - exponent, significand: 1)
      let rounded = Int(scaled.rounded(.toNearestOrEven))
      let code = rounded + ((exponent + bias - 1) << fractionBits)
      if code > Int(maximumCode) { return saturate || !hasNaN ? sign | maximumCode : overflow }
      if code == 0 && isUnsignedZero { return 0 }
      return sign | UInt8(code)
    }
  }

  /// e8m0: a power of two, 0xff is NaN.
  public static func float(fromE8M0 code: UInt8) -> Float {
    if code == 0xff { return .nan }
    if code == 0 { return 0x1p-127 }
    return Float(bitPattern: UInt32(code) << 23)
  }

  /// The nearest power of two (round half up on the significand), saturating.
  public static func e8m0(from value: Float) -> UInt8 {
    if value.isNaN { return 0xff }
    let magnitude = value.magnitude
    if magnitude.isInfinite { return 0xfe }
    if magnitude <= 0x1p-127 { return 0 }
    let bits = magnitude.bitPattern
    if bits >> 23 == 0 { return magnitude >= 0x1.8p-127 ? 1 : 0 }
    let code = min(254, Int(bits >> 23) + (bits & 0x40_0000 != 0 ? 1 : 0))
    return UInt8(code)
  }
}
