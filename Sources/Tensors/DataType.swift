/// The element types of ONNX. Raw values are those of `TensorProto.DataType`.
///
/// Source: onnx.proto of onnx 1.23 (IR 14). Types narrower than a byte are packed, low bits first (four 6-bit
/// elements in three bytes).
public enum DataType: UInt8, Sendable, Hashable, CaseIterable {
  case float = 1
  case uint8, int8, uint16, int16, int32, int64, string, bool, float16, double, uint32, uint64
  case complex64, complex128, bfloat16
  case float8e4m3fn, float8e4m3fnuz, float8e5m2, float8e5m2fnuz
  case uint4, int4, float4e2m1, float8e8m0, uint2, int2
  case float6e2m3, float6e3m2

  /// Bits of one element; 0 for strings, whose size is not fixed.
  public var bitWidth: Int {
    switch self {
    case .string: 0
    case .uint2, .int2: 2
    case .uint4, .int4, .float4e2m1: 4
    case .float6e2m3, .float6e3m2: 6
    case .uint8, .int8, .bool, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: 8
    case .uint16, .int16, .float16, .bfloat16: 16
    case .float, .int32, .uint32: 32
    case .double, .int64, .uint64, .complex64: 64
    case .complex128: 128
    }
  }

  /// Bytes that `elements` packed elements take, or nil where that overflows.
  public func byteCount(elements: Int) -> Int? {
    let (bits, overflow) = elements.multipliedReportingOverflow(by: bitWidth)
    if overflow { return nil }
    return bits / 8 + (bits % 8 == 0 ? 0 : 1)
  }

  /// True where several elements share a byte.
  public var isSubByte: Bool { bitWidth > 0 && bitWidth < 8 }

  public var isFloatingPoint: Bool {
    switch self {
    case .float, .double, .float16, .bfloat16, .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz,
      .float4e2m1, .float6e2m3, .float6e3m2, .float8e8m0:
      true
    default: false
    }
  }

  public var isSignedInteger: Bool {
    switch self {
    case .int2, .int4, .int8, .int16, .int32, .int64: true
    default: false
    }
  }

  public var isUnsignedInteger: Bool {
    switch self {
    case .uint2, .uint4, .uint8, .uint16, .uint32, .uint64: true
    default: false
    }
  }

  public var isInteger: Bool { isSignedInteger || isUnsignedInteger }
  public var isComplex: Bool { self == .complex64 || self == .complex128 }

  /// The name in ONNX type strings and text syntax: `float`, `int64`, `float8e4m3fn`.
  public var name: String {
    switch self {
    case .float: "float"
    case .uint8: "uint8"
    case .int8: "int8"
    case .uint16: "uint16"
    case .int16: "int16"
    case .int32: "int32"
    case .int64: "int64"
    case .string: "string"
    case .bool: "bool"
    case .float16: "float16"
    case .double: "double"
    case .uint32: "uint32"
    case .uint64: "uint64"
    case .complex64: "complex64"
    case .complex128: "complex128"
    case .bfloat16: "bfloat16"
    case .float8e4m3fn: "float8e4m3fn"
    case .float8e4m3fnuz: "float8e4m3fnuz"
    case .float8e5m2: "float8e5m2"
    case .float8e5m2fnuz: "float8e5m2fnuz"
    case .uint4: "uint4"
    case .int4: "int4"
    case .float4e2m1: "float4e2m1"
    case .float8e8m0: "float8e8m0"
    case .uint2: "uint2"
    case .int2: "int2"
    case .float6e2m3: "float6e2m3"
    case .float6e3m2: "float6e3m2"
    }
  }

  private static let byName: [String: DataType] = Dictionary(uniqueKeysWithValues: allCases.map { ($0.name, $0) })

  /// The type of that ONNX name, if there is one.
  public init?(name: String) {
    guard let found = DataType.byName[name] else { return nil }
    self = found
  }
}

extension DataType: CustomStringConvertible {
  public var description: String { name }
}
