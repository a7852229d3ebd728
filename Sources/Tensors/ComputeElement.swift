/// The few Swift types that portable evaluation computes in. Every ONNX element type is loaded into and stored from them,
/// so an operator is written for at most these five (strings apart) and not for twenty-odd element types.
public protocol ComputeElement: Sendable {
  /// The element type whose memory layout is this type's own.
  static var nativeType: DataType { get }
  static func load(_ base: UnsafeRawPointer, _ index: Int, as type: DataType) -> Self
  static func store(_ value: Self, _ base: UnsafeMutableRawPointer, _ index: Int, as type: DataType)
}

enum ElementCodec {
  @inline(__always) static func subByte(_ base: UnsafeRawPointer, _ index: Int, bits: Int) -> UInt8 {
    if bits == 6 { return sixBits(base, index) }
    let perByte = 8 / bits
    let byte = base.load(fromByteOffset: index / perByte, as: UInt8.self)
    return byte >> UInt8(index % perByte * bits) & UInt8((1 << bits) - 1)
  }

  @inline(__always) static func setSubByte(_ base: UnsafeMutableRawPointer, _ index: Int, bits: Int, _ value: UInt8) {
    if bits == 6 { return setSixBits(base, index, value) }
    let perByte = 8 / bits
    let shift = UInt8(index % perByte * bits)
    let mask = UInt8((1 << bits) - 1) << shift
    let old = base.load(fromByteOffset: index / perByte, as: UInt8.self)
    base.storeBytes(of: old & ~mask | value << shift & mask, toByteOffset: index / perByte, as: UInt8.self)
  }

  /// Six bits that may cross a byte border.
  static func sixBits(_ base: UnsafeRawPointer, _ index: Int) -> UInt8 {
    let (byte, shift) = (index * 6).quotientAndRemainder(dividingBy: 8)
    var word = UInt16(base.load(fromByteOffset: byte, as: UInt8.self))
    if shift > 2 { word |= UInt16(base.load(fromByteOffset: byte + 1, as: UInt8.self)) << 8 }
    return UInt8(truncatingIfNeeded: word >> UInt16(shift)) & 0x3f
  }

  static func setSixBits(_ base: UnsafeMutableRawPointer, _ index: Int, _ value: UInt8) {
    let (byte, shift) = (index * 6).quotientAndRemainder(dividingBy: 8)
    let low = base.load(fromByteOffset: byte, as: UInt8.self)
    let mask = UInt16(0x3f) << UInt16(shift)
    let bits = UInt16(value & 0x3f) << UInt16(shift)
    base.storeBytes(
      of: low & ~UInt8(truncatingIfNeeded: mask) | UInt8(truncatingIfNeeded: bits), toByteOffset: byte, as: UInt8.self)
    if shift > 2 {
      let high = base.load(fromByteOffset: byte + 1, as: UInt8.self)
      base.storeBytes(
        of: high & ~UInt8(truncatingIfNeeded: mask >> 8) | UInt8(truncatingIfNeeded: bits >> 8), toByteOffset: byte + 1,
        as: UInt8.self)
    }
  }

  @inline(__always) static func signExtend(_ value: UInt8, bits: UInt8) -> Int64 {
    Int64(Int8(bitPattern: value << (8 - bits)) >> Int8(8 - bits))
  }

  @inline(__always) static func raw<T: BitwiseCopyable>(_ base: UnsafeRawPointer, _ index: Int, _: T.Type) -> T {
    base.loadUnaligned(fromByteOffset: index &* MemoryLayout<T>.stride, as: T.self)
  }

  @inline(__always)
  static func put<T: BitwiseCopyable>(_ base: UnsafeMutableRawPointer, _ index: Int, _ value: T) {
    base.storeBytes(of: value, toByteOffset: index &* MemoryLayout<T>.stride, as: T.self)
  }

  static func loadDouble(_ p: UnsafeRawPointer, _ i: Int, _ type: DataType) -> Double {
    switch type {
    case .double: raw(p, i, Double.self)
    case .int64, .int32, .int16, .int8, .int4, .int2: Double(loadInt(p, i, type))
    case .uint64: Double(raw(p, i, UInt64.self))
    case .uint32, .uint16, .uint8, .uint4, .uint2, .bool: Double(loadInt(p, i, type))
    case .complex128: raw(p, 2 * i, Double.self)
    default: Double(loadFloat(p, i, type))
    }
  }

  static func loadFloat(_ p: UnsafeRawPointer, _ i: Int, _ type: DataType) -> Float {
    switch type {
    case .float: raw(p, i, Float.self)
    case .float16: SmallFloats.float(fromHalf: raw(p, i, UInt16.self))
    case .bfloat16: SmallFloats.float(fromBFloat16: raw(p, i, UInt16.self))
    case .float8e4m3fn: SmallFloats.Format.e4m3fn.decode(raw(p, i, UInt8.self))
    case .float8e4m3fnuz: SmallFloats.Format.e4m3fnuz.decode(raw(p, i, UInt8.self))
    case .float8e5m2: SmallFloats.Format.e5m2.decode(raw(p, i, UInt8.self))
    case .float8e5m2fnuz: SmallFloats.Format.e5m2fnuz.decode(raw(p, i, UInt8.self))
    case .float4e2m1: SmallFloats.Format.e2m1.decode(subByte(p, i, bits: 4))
    case .float6e2m3: SmallFloats.Format.e2m3.decode(subByte(p, i, bits: 6))
    case .float6e3m2: SmallFloats.Format.e3m2.decode(subByte(p, i, bits: 6))
    case .float8e8m0: SmallFloats.float(fromE8M0: raw(p, i, UInt8.self))
    case .complex64: raw(p, 2 * i, Float.self)
    default: Float(loadDouble(p, i, type))
    }
  }

  /// Integers of every width; floats are truncated towards zero and saturate, NaN is 0; uint64 wraps.
  static func loadInt(_ p: UnsafeRawPointer, _ i: Int, _ type: DataType) -> Int64 {
    switch type {
    case .int64: raw(p, i, Int64.self)
    case .uint64: Int64(bitPattern: raw(p, i, UInt64.self))
    case .int32: Int64(raw(p, i, Int32.self))
    case .uint32: Int64(raw(p, i, UInt32.self))
    case .int16: Int64(raw(p, i, Int16.self))
    case .uint16: Int64(raw(p, i, UInt16.self))
    case .int8: Int64(raw(p, i, Int8.self))
    case .uint8: Int64(raw(p, i, UInt8.self))
    case .bool: raw(p, i, UInt8.self) != 0 ? 1 : 0
    case .int4: signExtend(subByte(p, i, bits: 4), bits: 4)
    case .uint4: Int64(subByte(p, i, bits: 4))
    case .int2: signExtend(subByte(p, i, bits: 2), bits: 2)
    case .uint2: Int64(subByte(p, i, bits: 2))
    default: truncating(loadDouble(p, i, type))
    }
  }

  @inline(__always) static func truncating(_ value: Double) -> Int64 {
    if value.isNaN { return 0 }
    if value >= 0x1p63 { return .max }
    if value <= -0x1p63 { return .min }
    return Int64(value)
  }

  static func storeDouble(_ v: Double, _ p: UnsafeMutableRawPointer, _ i: Int, _ type: DataType) {
    switch type {
    case .double: put(p, i, v)
    // Negative numbers wrap, as in the narrower types.
    case .uint64: put(p, i, v < 0 ? UInt64(bitPattern: truncating(v)) : v.isNaN ? 0 : v >= 0x1p64 ? .max : UInt64(v))
    case .bool: put(p, i, v != 0 ? UInt8(1) : 0)
    case .complex128:
      put(p, 2 * i, v)
      put(p, 2 * i + 1, 0.0)
    case _ where type.isInteger: storeInt(truncating(v), p, i, type)
    default: storeFloat(Float(v), p, i, type)
    }
  }

  static func storeFloat(_ v: Float, _ p: UnsafeMutableRawPointer, _ i: Int, _ type: DataType) {
    switch type {
    case .float: put(p, i, v)
    case .float16: put(p, i, SmallFloats.half(from: v))
    case .bfloat16: put(p, i, SmallFloats.bfloat16(from: v))
    case .float8e4m3fn: put(p, i, SmallFloats.Format.e4m3fn.encode(v))
    case .float8e4m3fnuz: put(p, i, SmallFloats.Format.e4m3fnuz.encode(v))
    case .float8e5m2: put(p, i, SmallFloats.Format.e5m2.encode(v))
    case .float8e5m2fnuz: put(p, i, SmallFloats.Format.e5m2fnuz.encode(v))
    case .float4e2m1: setSubByte(p, i, bits: 4, SmallFloats.Format.e2m1.encode(v))
    case .float6e2m3: setSubByte(p, i, bits: 6, SmallFloats.Format.e2m3.encode(v))
    case .float6e3m2: setSubByte(p, i, bits: 6, SmallFloats.Format.e3m2.encode(v))
    case .float8e8m0: put(p, i, SmallFloats.e8m0(from: v))
    case .complex64:
      put(p, 2 * i, v)
      put(p, 2 * i + 1, Float(0))
    default: storeDouble(Double(v), p, i, type)
    }
  }

  /// Integers keep their low bits (two's complement wrap), as a C cast does.
  static func storeInt(_ v: Int64, _ p: UnsafeMutableRawPointer, _ i: Int, _ type: DataType) {
    switch type {
    case .int64, .uint64: put(p, i, v)
    case .int32, .uint32: put(p, i, Int32(truncatingIfNeeded: v))
    case .int16, .uint16: put(p, i, Int16(truncatingIfNeeded: v))
    case .int8, .uint8: put(p, i, Int8(truncatingIfNeeded: v))
    case .bool: put(p, i, v != 0 ? UInt8(1) : 0)
    case .int4, .uint4: setSubByte(p, i, bits: 4, UInt8(truncatingIfNeeded: v) & 15)
    case .int2, .uint2: setSubByte(p, i, bits: 2, UInt8(truncatingIfNeeded: v) & 3)
    default: storeDouble(Double(v), p, i, type)
    }
  }
}

extension Float: ComputeElement {
  public static var nativeType: DataType { .float }
  public static func load(_ base: UnsafeRawPointer, _ index: Int, as type: DataType) -> Float {
    ElementCodec.loadFloat(base, index, type)
  }
  public static func store(_ value: Float, _ base: UnsafeMutableRawPointer, _ index: Int, as type: DataType) {
    ElementCodec.storeFloat(value, base, index, type)
  }
}

extension Double: ComputeElement {
  public static var nativeType: DataType { .double }
  public static func load(_ base: UnsafeRawPointer, _ index: Int, as type: DataType) -> Double {
    ElementCodec.loadDouble(base, index, type)
  }
  public static func store(_ value: Double, _ base: UnsafeMutableRawPointer, _ index: Int, as type: DataType) {
    ElementCodec.storeDouble(value, base, index, type)
  }
}

extension Int64: ComputeElement {
  public static var nativeType: DataType { .int64 }
  public static func load(_ base: UnsafeRawPointer, _ index: Int, as type: DataType) -> Int64 {
    ElementCodec.loadInt(base, index, type)
  }
  public static func store(_ value: Int64, _ base: UnsafeMutableRawPointer, _ index: Int, as type: DataType) {
    ElementCodec.storeInt(value, base, index, type)
  }
}

extension UInt64: ComputeElement {
  public static var nativeType: DataType { .uint64 }
  public static func load(_ base: UnsafeRawPointer, _ index: Int, as type: DataType) -> UInt64 {
    UInt64(bitPattern: ElementCodec.loadInt(base, index, type))
  }
  public static func store(_ value: UInt64, _ base: UnsafeMutableRawPointer, _ index: Int, as type: DataType) {
    ElementCodec.storeInt(Int64(bitPattern: value), base, index, type)
  }
}

extension Bool: ComputeElement {
  public static var nativeType: DataType { .bool }
  public static func load(_ base: UnsafeRawPointer, _ index: Int, as type: DataType) -> Bool {
    ElementCodec.loadDouble(base, index, type) != 0
  }
  public static func store(_ value: Bool, _ base: UnsafeMutableRawPointer, _ index: Int, as type: DataType) {
    ElementCodec.storeInt(value ? 1 : 0, base, index, type)
  }
}
