import GraphIR
import Tensors

extension MessageReader {
  /// A TypeProto; nil where it states nothing. Denotations go to `metadata`.
  func type(_ reader: WireReader, metadata: inout [MetadataEntry]) throws -> ValueType? {
    var reader = reader
    var result: ValueType?
    var ignored: [MetadataEntry] = []
    while let field = try reader.next() {
      switch field.number {
      case 1:
        let (element, shape) = try tensorType(reader.message(field), metadata: &metadata)
        result = .tensor(element, shape)
      case 8:
        let (element, shape) = try tensorType(reader.message(field), metadata: &metadata)
        result = .sparse(element, shape)
      case 4: result = .sequence(try elementType(reader.message(field), number: 1, metadata: &ignored))
      case 9: result = .optional(try elementType(reader.message(field), number: 1, metadata: &ignored))
      case 5:
        var inner = try reader.message(field)
        var key: DataType?
        var value: ValueType?
        while let field = try inner.next() {
          switch field.number {
          case 1: key = try dataType(inner.int32(field))
          case 2: value = try type(inner.message(field), metadata: &ignored)
          default: try inner.skip(field)
          }
        }
        guard let key else { throw reader.malformed("a map type without key type", at: field.tagOffset) }
        result = .map(key, value ?? .tensor(nil, nil))
      case 7:
        var inner = try reader.message(field)
        var domain = ""
        var name = ""
        while let field = try inner.next() {
          switch field.number {
          case 1: domain = try inner.string(field)
          case 2: name = try inner.string(field)
          default: try inner.skip(field)
          }
        }
        result = .opaque(domain: domain, name: name)
      case 6: metadata.append(MetadataEntry(key: DenotationKey.type, value: try reader.string(field)))
      default: try reader.skip(field)
      }
    }
    return result
  }

  private func elementType(_ reader: WireReader, number: Int, metadata: inout [MetadataEntry]) throws -> ValueType {
    var reader = reader
    var result: ValueType?
    while let field = try reader.next() {
      if field.number == number {
        result = try type(reader.message(field), metadata: &metadata)
      } else {
        try reader.skip(field)
      }
    }
    return result ?? .tensor(nil, nil)
  }

  private func tensorType(_ reader: WireReader, metadata: inout [MetadataEntry]) throws -> (DataType?, [Dim]?) {
    var reader = reader
    var element: DataType?
    var shape: [Dim]?
    while let field = try reader.next() {
      switch field.number {
      case 1: element = try dataType(reader.int32(field))
      case 2:
        var inner = try reader.message(field)
        var dims: [Dim] = []
        while let field = try inner.next() {
          guard field.number == 1 else {
            try inner.skip(field)
            continue
          }
          dims.append(try dimension(inner.message(field), index: dims.count, metadata: &metadata))
        }
        shape = dims
      default: try reader.skip(field)
      }
    }
    return (element, shape)
  }

  private func dimension(_ reader: WireReader, index: Int, metadata: inout [MetadataEntry]) throws -> Dim {
    var reader = reader
    var result: Dim?
    while let field = try reader.next() {
      switch field.number {
      case 1:
        // Exporters write -1 and 0 is a real size; a negative one is open.
        let value = try reader.int64(field)
        result = value >= 0 ? Dim(Int(value)) : nil
      case 2:
        // Exporters that know no name write a placeholder, the same for dimensions that differ.
        let name = try reader.string(field)
        result = ["", "?", "-1", "None"].contains(name) ? nil : .symbol(name)
      case 3: metadata.append(MetadataEntry(key: DenotationKey.dimension(index), value: try reader.string(field)))
      default: try reader.skip(field)
      }
    }
    if let result { return result }
    unnamedDimensions += 1
    return UnnamedDimension.symbol(unnamedDimensions)
  }

  /// nil for UNDEFINED; throws for a type that Cameo lacks.
  func dataType(_ number: Int32) throws -> DataType? {
    if number == 0 { return nil }
    guard let raw = UInt8(exactly: number), let type = DataType(rawValue: raw) else {
      throw CameoError.badInput("element type \(number) is unknown")
    }
    return type
  }
}
