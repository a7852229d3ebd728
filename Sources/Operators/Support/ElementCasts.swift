import Tensors

/// The conversions of Cast and CastLike.
enum ElementCasts {
  /// How numbers become 8-bit floats.
  struct Rules {
    var saturates = true
    /// "up", "down" or "nearest", for float8e8m0.
    var roundMode = "up"
  }

  /// Throws for complex types, and for a text that is no number.
  static func cast(_ tensor: Tensor, to type: DataType, _ rules: Rules) throws -> Tensor {
    if tensor.dataType == type { return tensor }
    if tensor.dataType == .string { return try parse(tensor, type, rules) }
    if tensor.dataType.isComplex || type.isComplex {
      throw CameoError.unsupported("Cast from \(tensor.dataType) to \(type)")
    }
    if type == .string { return try Tensor(strings: texts(tensor), shape: tensor.shape) }
    if let format = format(type) {
      let view = try ElementView<Float>(tensor)
      return try bytes(type, tensor.shape) { out in
        for i in 0..<view.count { out[i] = format.encode(view[i], saturate: rules.saturates) }
      }
    }
    if type == .float8e8m0 {
      let view = try ElementView<Float>(tensor)
      return try bytes(type, tensor.shape) { out in for i in 0..<view.count { out[i] = try e8m0(view[i], rules) } }
    }
    if [.float4e2m1, .float6e2m3, .float6e3m2].contains(type), tensor.dataType.isFloatingPoint {
      return try withoutNaN(tensor, type)
    }
    if tensor.dataType == .uint64, type.isFloatingPoint {
      let view = try ElementView<UInt64>(tensor)
      if type == .float {
        return try Tensor.make(type, tensor.shape, as: Float.self) { out in
          for i in 0..<view.count { out[i] = Float(view[i]) }
        }
      }
    }
    if tensor.dataType == .int64, type == .float {
      // Straight to float: by way of double it would be rounded twice.
      let view = try ElementView<Int64>(tensor)
      return try Tensor.make(type, tensor.shape, as: Float.self) { out in
        for i in 0..<view.count { out[i] = Float(view[i]) }
      }
    }
    if tensor.dataType == .double, type.isFloatingPoint, type.bitWidth <= 16 {
      return try tensor.converted(to: .float).converted(to: type)
    }
    if type == .bool, tensor.dataType.isFloatingPoint {
      let view = try ElementView<Double>(tensor)
      return try Tensor.make(type, tensor.shape, as: Bool.self) { out in
        for i in 0..<view.count { out[i] = view[i] != 0 }
      }
    }
    return try tensor.converted(to: type)
  }

  private static func bytes(
    _ type: DataType, _ shape: [Int], _ fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> Tensor {
    try Tensor.makeRaw(type, shape, fill)
  }

  /// The type has no NaN: as in the standard's node tests it becomes a zero of the other sign.
  private static func withoutNaN(_ tensor: Tensor, _ type: DataType) throws -> Tensor {
    let view = try ElementView<Float>(tensor)
    return try Tensor.make(type, tensor.shape, as: Float.self) { out in
      for i in 0..<view.count { out[i] = view[i].isNaN ? (view[i].sign == .minus ? 0 : -0.0) : view[i] }
    }
  }

  private static func format(_ type: DataType) -> SmallFloats.Format? {
    switch type {
    case .float8e4m3fn: .e4m3fn
    case .float8e4m3fnuz: .e4m3fnuz
    case .float8e5m2: .e5m2
    case .float8e5m2fnuz: .e5m2fnuz
    default: nil
    }
  }

  private static func e8m0(_ value: Float, _ rules: Rules) throws -> UInt8 {
    if value.isNaN { return 0xff }
    let magnitude = value.magnitude
    if magnitude == 0 { return rules.saturates ? 0 : 0xff }
    if magnitude.isInfinite { return rules.saturates ? 0xfe : 0xff }
    let low = Int(magnitude.exponent)
    let rest = magnitude.significand - 1
    var exponent = low
    switch rules.roundMode {
    case "up": exponent += rest > 0 ? 1 : 0
    case "down": break
    case "nearest": exponent += rest >= 0.5 ? 1 : 0
    default: throw CameoError.badInput("attribute round_mode is \(rules.roundMode); up, down or nearest was expected")
    }
    if exponent > 127 { return rules.saturates ? 0xfe : 0xff }
    if exponent < -127 { return rules.saturates ? 0 : 0xff }
    return UInt8(exponent + 127)
  }

  // MARK: Strings

  private static func texts(_ tensor: Tensor) throws -> [String] {
    switch tensor.dataType {
    case .bool: return try ElementwiseMaps.truths(tensor).map { $0 ? "True" : "False" }
    case .uint64: return try tensor.elements(as: UInt64.self).map { String($0) }
    case .double: return try tensor.elements(as: Double.self).map { text($0, "\($0)") }
    case let type where type.isFloatingPoint:
      return try tensor.elements(as: Float.self).map { text(Double($0), "\($0)") }
    default: return try tensor.elements(as: Int64.self).map { String($0) }
    }
  }

  /// The shortest text that reads back as the same number; whole numbers end in ".0" as NumPy writes them.
  private static func text(_ value: Double, _ shortest: String) -> String {
    if value.isNaN { return "NaN" }
    if value.isInfinite { return value < 0 ? "-INF" : "INF" }
    return shortest
  }

  private static func parse(_ tensor: Tensor, _ type: DataType, _ rules: Rules) throws -> Tensor {
    if type.isInteger {
      let values = try tensor.strings.map { text -> Int64 in
        if let value = Int64(text) { return value }
        if let value = UInt64(text) { return Int64(bitPattern: value) }
        return try Tensor.scalar(number(text), .double).scalar(as: Int64.self)
      }
      return try Tensor.of(values, type, shape: tensor.shape)
    }
    let values = try tensor.strings.map { try number($0) }
    if type == .double { return try Tensor.of(values, type, shape: tensor.shape) }
    let floats = zip(tensor.strings, values).map { text, value in Float(trimmed(text)) ?? Float(value) }
    return try cast(try Tensor.of(floats, .float, shape: tensor.shape), to: type, rules)
  }

  private static func trimmed(_ text: String) -> String {
    var result = Substring(text)
    while result.first?.isWhitespace == true { result.removeFirst() }
    while result.last?.isWhitespace == true { result.removeLast() }
    return String(result)
  }

  private static func number(_ text: String) throws -> Double {
    let plain = trimmed(text)
    switch plain.uppercased() {
    case "INF", "+INF", "INFINITY", "+INFINITY": return .infinity
    case "-INF", "-INFINITY": return -.infinity
    case "NAN", "+NAN", "-NAN": return .nan
    default: break
    }
    guard let value = Double(plain) else { throw CameoError.badInput("\"\(text)\" is no number") }
    return value
  }
}
