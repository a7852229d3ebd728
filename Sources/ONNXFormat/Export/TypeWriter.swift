import GraphIR
import Tensors

/// Writes TypeProto and ValueInfoProto.
enum TypeWriter {
  static func message(_ type: ValueType?, denotations: [MetadataEntry] = []) -> WireWriter {
    var writer = WireWriter()
    switch type {
    case nil: break
    case .tensor(let element, let shape): writer.message(1, tensor(element, shape, denotations))
    case .sparse(let element, let shape): writer.message(8, tensor(element, shape, denotations))
    case .sequence(let element): writer.message(4, wrapped(element, 1))
    case .optional(let element): writer.message(9, wrapped(element, 1))
    case .map(let key, let value):
      var inner = WireWriter()
      inner.int64(1, Int64(key.rawValue))
      inner.message(2, message(value))
      writer.message(5, inner)
    case .opaque(let domain, let name):
      var inner = WireWriter()
      inner.optionalString(1, domain)
      inner.optionalString(2, name)
      writer.message(7, inner)
    }
    for entry in denotations where entry.key == DenotationKey.type { writer.string(6, entry.value) }
    return writer
  }

  private static func wrapped(_ type: ValueType, _ field: Int) -> WireWriter {
    var writer = WireWriter()
    writer.message(field, message(type))
    return writer
  }

  private static func tensor(_ element: DataType?, _ shape: [Dim]?, _ denotations: [MetadataEntry]) -> WireWriter {
    var writer = WireWriter()
    if let element { writer.int64(1, Int64(element.rawValue)) }
    guard let shape else { return writer }
    var dims = WireWriter()
    for (index, dim) in shape.enumerated() {
      var one = WireWriter()
      if let value = dim.value {
        one.int64(1, Int64(value))
      } else if let name = dim.symbolName {
        if !UnnamedDimension.isGenerated(name) { one.string(2, name) }
      } else if !dim.symbols.contains(where: UnnamedDimension.isGenerated) {
        one.string(2, dim.description)
      }
      for entry in denotations where DenotationKey.dimension(of: entry.key) == index { one.string(3, entry.value) }
      dims.message(1, one)
    }
    writer.message(2, dims)
    return writer
  }

  static func value(_ info: ValueInfo, name: String) -> WireWriter {
    var writer = WireWriter()
    writer.string(1, name)
    let denotations = info.metadata.filter { $0.key.hasPrefix(DenotationKey.prefix) }
    if info.type != nil || !denotations.isEmpty { writer.message(2, message(info.type, denotations: denotations)) }
    writer.optionalString(3, info.documentation)
    for entry in info.metadata where !entry.key.hasPrefix(DenotationKey.prefix) {
      writer.message(4, MessageWriter.entry(entry))
    }
    writer.fields(info.unknownFields)
    return writer
  }
}
