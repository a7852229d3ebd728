import Tensors

/// Resolves types, tensors and attribute values of the syntax tree. Errors are `.badInput` with line and column.
struct TextValues {
  /// For places in messages.
  let scanner: TextScanner
  /// The last number of a dimension written `?`; nil where none was asked for yet.
  private var lastAnonymous: Int?

  init(scanner: TextScanner) { self.scanner = scanner }

  /// The next one. `"?7"` names an anonymous dimension that is used more than once: new ones differ from all such.
  mutating func nextAnonymous() -> Int {
    let number = (lastAnonymous ?? largestNamed()) + 1
    lastAnonymous = number
    return number
  }

  private func largestNamed() -> Int {
    var largest = 0
    let bytes = scanner.bytes
    var index = 0
    while index + 1 < bytes.count {
      if bytes[index] == UInt8(ascii: "?") {
        var number = 0
        index += 1
        while index < bytes.count, TextScanner.isDigit(bytes[index]), number < 1 << 40 {
          number = number * 10 + Int(bytes[index] - 0x30)
          index += 1
        }
        largest = max(largest, number)
      } else {
        index += 1
      }
    }
    return largest
  }

  // MARK: Types

  mutating func type(_ syntax: TypeSyntax) -> ValueType {
    switch syntax {
    case .tensor(let element, let shape): .tensor(element, shape.map { dims($0) })
    case .sparse(let element, let shape): .sparse(element, shape.map { dims($0) })
    case .sequence(let element): .sequence(type(element))
    case .optional(let element): .optional(type(element))
    case .map(let key, let value): .map(key, type(value))
    case .opaque(let domain, let name): .opaque(domain: domain, name: name)
    }
  }

  private mutating func dims(_ shape: [DimSyntax]) -> [Dim] {
    var result: [Dim] = []
    for dim in shape {
      switch dim {
      case .integer(let value): result.append(Dim(value))
      case .name(let text): result.append(Dim(parameter: text))
      case .unknown:
        result.append(.symbol("?\(nextAnonymous())"))
      }
    }
    return result
  }

  // MARK: Tensors

  func tensor(_ syntax: TensorSyntax) throws -> Tensor {
    guard case .tensor(let type, let dims) = syntax.type, let type else {
      throw scanner.error(at: syntax.offset, "a tensor's elements need a type")
    }
    let perElement = type.isComplex ? 2 : 1
    var shape = [syntax.elements.count / perElement]
    if let dims {
      shape = []
      for dim in dims {
        guard case .integer(let value) = dim else {
          throw scanner.error(at: syntax.offset, "the dimensions of a written tensor are integers")
        }
        shape.append(value)
      }
    }
    do {
      let count = try Tensor.elementCount(shape)
      guard count * perElement == syntax.elements.count else {
        throw CameoError.badInput(
          "\(syntax.elements.count) numbers or strings stand where \(type)\(shape) needs \(count * perElement)")
      }
      return try fill(type, shape, syntax)
    } catch let error as CameoError where !error.reason.hasPrefix("line ") {
      throw CameoError(error.kind, "\(scanner.location(of: syntax.offset)): \(error.reason)")
    }
  }

  private func fill(_ type: DataType, _ shape: [Int], _ syntax: TensorSyntax) throws -> Tensor {
    switch type {
    case .string:
      var strings: [String] = []
      for element in syntax.elements {
        guard case .string(let text, _) = element else { throw mismatch(element, type) }
        strings.append(text)
      }
      return try Tensor(strings: strings, shape: shape)
    case .float: return try .of(try numbers(syntax, type) { $0.float }, type, shape: shape)
    case .double: return try .of(try numbers(syntax, type) { $0.double }, type, shape: shape)
    case .complex64, .complex128:
      let parts = try numbers(syntax, type) { $0.double }
      return try Tensor.makeRaw(type, shape) { bytes in
        for (index, part) in parts.enumerated() {
          if type == .complex64 {
            bytes.storeBytes(of: Float(part), toByteOffset: index * 4, as: Float.self)
          } else {
            bytes.storeBytes(of: part, toByteOffset: index * 8, as: Double.self)
          }
        }
      }
    default: return try fillCodes(type, shape, syntax)
    }
  }

  /// Integers by value; the narrow floats by their bit pattern where the number is an integer (as the standard's text has
  /// it), by value where it has a fraction, an exponent or is inf or nan.
  private func fillCodes(_ type: DataType, _ shape: [Int], _ syntax: TensorSyntax) throws -> Tensor {
    let bits = type == .bool ? 1 : type.bitWidth
    var values = [Int64](repeating: 0, count: syntax.elements.count)
    for (index, element) in syntax.elements.enumerated() {
      let written = try number(element, type)
      if type.isFloatingPoint, !written.isInteger {
        guard let float = written.float else { throw mismatch(element, type) }
        values[index] = Int64(try Tensor.scalar(float, type).code(at: 0))
        continue
      }
      let value: Int64
      if type == .uint64 {
        guard let wide = UInt64(written.text) else { throw mismatch(element, type) }
        value = Int64(bitPattern: wide)
      } else {
        guard let narrow = Int64(written.text) else { throw mismatch(element, type) }
        value = narrow
        let lowest: Int64 = type.isSignedInteger ? -1 << Int64(bits - 1) : 0
        let highest: Int64 = bits == 64 ? .max : type.isSignedInteger ? 1 << Int64(bits - 1) - 1 : 1 << Int64(bits) - 1
        guard value >= lowest, value <= highest else { throw mismatch(element, type) }
      }
      values[index] = value
    }
    if bits == 6 {
      return try Tensor.makeRaw(type, shape) { bytes in
        for (index, code) in values.enumerated() {
          for bit in 0..<6 where code >> Int64(bit) & 1 == 1 {
            let (byte, shift) = (index * 6 + bit).quotientAndRemainder(dividingBy: 8)
            bytes[byte] |= 1 << UInt8(shift)
          }
        }
      }
    }
    let container: DataType =
      switch type {
      case .float16, .bfloat16: .uint16
      case .float8e4m3fn, .float8e4m3fnuz, .float8e5m2, .float8e5m2fnuz, .float8e8m0: .uint8
      case .float4e2m1: .uint4
      default: type
      }
    let tensor = try Tensor.of(values, container, shape: shape)
    return container == type ? tensor : try tensor.bitCast(to: type)
  }

  private func numbers<T>(_ syntax: TensorSyntax, _ type: DataType, _ read: (NumberSyntax) -> T?) throws -> [T] {
    var result: [T] = []
    result.reserveCapacity(syntax.elements.count)
    for element in syntax.elements {
      guard let value = read(try number(element, type)) else { throw mismatch(element, type) }
      result.append(value)
    }
    return result
  }

  private func number(_ element: LiteralSyntax, _ type: DataType) throws -> NumberSyntax {
    guard case .number(let number) = element else { throw mismatch(element, type) }
    return number
  }

  private func mismatch(_ element: LiteralSyntax, _ type: DataType) -> CameoError {
    switch element {
    case .number(let number): scanner.error(at: number.offset, "\(number.text) is no value of \(type)")
    case .string(_, let offset): scanner.error(at: offset, "a string is no value of \(type)")
    }
  }

  func sparse(_ syntax: SparseSyntax) throws -> SparseTensor {
    guard case .sparse(let element, let dims?) = syntax.type else {
      throw scanner.error(at: syntax.offset, "a sparse tensor needs a shape")
    }
    var shape: [Int] = []
    for dim in dims {
      guard case .integer(let value) = dim else {
        throw scanner.error(at: syntax.offset, "the dimensions of a written tensor are integers")
      }
      shape.append(value)
    }
    let values = try tensor(syntax.values)
    let indices = try tensor(syntax.indices)
    guard values.dataType == element, indices.dataType == .int64 else {
      throw scanner.error(at: syntax.offset, "a sparse tensor holds values of its own type, then int64 indices")
    }
    return SparseTensor(values: values, indices: indices, shape: shape)
  }
}

extension Tensor {
  /// The bit pattern of an element of a type of at most 64 bits.
  func code(at index: Int) -> UInt64 {
    withUnsafeBytes { bytes in
      if dataType.isSubByte {
        // Packed from the lowest bit on; elements of six bits cross bytes.
        let first = index * dataType.bitWidth
        let last = first + dataType.bitWidth - 1
        let pair = UInt64(bytes[first / 8]) | UInt64(bytes[last / 8]) << 8
        let code = first / 8 == last / 8 ? pair & 0xff : pair
        return code >> UInt64(first % 8) & (1 << UInt64(dataType.bitWidth) - 1)
      }
      let width = dataType.bitWidth / 8
      var code: UInt64 = 0
      for byte in (0..<width).reversed() { code = code << 8 | UInt64(bytes[index * width + byte]) }
      return code
    }
  }
}
