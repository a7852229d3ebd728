public import GraphIR
public import Tensors

/// A value of any kind in a file, as ONNX's test data are: TensorProto, SequenceProto, MapProto or OptionalProto. The file
/// does not say which: the declared type does.
public enum ValueFile {
  /// Reads the value; a nil type means a tensor. Large tensors stay in the mapped file.
  public static func read(path: String, as type: ValueType?) throws -> Value {
    try within("file \(path)") {
      let file = try MappedFile(path: path)
      let reader = MessageReader(.file(file), external: ExternalData(folder: nil))
      return try reader.value(WireReader(file.bytes), as: type ?? .tensor(nil, nil), depth: 0)
    }
  }
}

extension MessageReader {
  fileprivate func value(_ source: WireReader, as type: ValueType, depth: Int) throws -> Value {
    guard depth < 32 else { throw CameoError.limit("values nest too deep") }
    switch type {
    case .sequence(let element): return .sequence(try elements(source, of: element, depth: depth))
    case .optional(let element): return .optional(try optional(source, of: element, depth: depth))
    case .map(_, let element): return .map(try map(source, of: element, depth: depth))
    case .sparse: return .sparse(try sparse(source).0)
    case .opaque: throw CameoError.unsupported("a file of type \(type)")
    case .tensor: return .tensor(try tensor(source).tensor)
    }
  }

  /// Elements of a sequence: field 3 tensors, 4 sparse tensors, 5 sequences, 6 maps, 7 optionals.
  private func elements(_ source: WireReader, of type: ValueType, depth: Int) throws -> [Value] {
    var reader = source
    var values: [Value] = []
    while let field = try reader.next() {
      switch field.number {
      case 3...7: values.append(try value(reader.message(field), as: type, depth: depth + 1))
      default: try reader.skip(field)
      }
    }
    return values
  }

  private func optional(_ source: WireReader, of type: ValueType, depth: Int) throws -> Value? {
    var reader = source
    var result: Value?
    while let field = try reader.next() {
      switch field.number {
      case 3...7: result = try value(reader.message(field), as: type, depth: depth + 1)
      default: try reader.skip(field)
      }
    }
    return result
  }

  /// Field 3 integer keys, 4 string keys, 5 the values as a sequence.
  private func map(_ source: WireReader, of type: ValueType, depth: Int) throws -> MapValue {
    var reader = source
    var integers: [Int64] = []
    var strings: [String] = []
    var keyType = DataType.int64
    var values: [Value] = []
    while let field = try reader.next() {
      switch field.number {
      case 2: keyType = try dataType(reader.int32(field)) ?? .int64
      case 3: try reader.varints(field, into: &integers)
      case 4: strings.append(try reader.string(field))
      case 5: values = try elements(reader.message(field), of: type, depth: depth + 1)
      default: try reader.skip(field)
      }
    }
    let keys =
      keyType == .string
      ? try Tensor(strings: strings, shape: [strings.count]) : try Tensor.of(integers, keyType, shape: [integers.count])
    guard keys.count == values.count else {
      throw CameoError.badInput("a map of \(keys.count) keys and \(values.count) values")
    }
    return MapValue(keys: keys, values: values)
  }
}
