import GraphIR
import Tensors

/// Evaluation in float64 of a graph written for narrower floats: what the graph means, free of its own rounding.
///
/// Every float, float16 and bfloat16 tensor is carried as double. An operator gets doubles where its type constraints allow
/// them, else its own type; casts to a narrower float are passed over.
enum Widening {
  static func isNarrow(_ type: DataType) -> Bool { type == .float || type == .float16 || type == .bfloat16 }

  /// The value with all narrow floats in it as doubles.
  static func widened(_ value: Value) throws -> Value {
    switch value {
    case .tensor(let tensor): isNarrow(tensor.dataType) ? .tensor(try tensor.converted(to: .double)) : value
    case .sequence(let elements): .sequence(try elements.map { try widened($0) })
    case .optional(let inner?): .optional(try widened(inner))
    default: value
    }
  }

  /// The node with attributes that would round taken back.
  static func node(_ node: Node) -> Node {
    node.attributes.reduce(node) { result, attribute in
      guard roundingAttributes.contains(attribute.name), case .int(let code) = attribute.value,
        let raw = UInt8(exactly: code), let type = DataType(rawValue: raw), isNarrow(type)
      else { return result }
      return result.with(attribute.name, .int(Int64(DataType.double.rawValue)))
    }
  }

  private static let roundingAttributes: Set<String> = ["to", "dtype", "output_datatype", "softmax_precision"]

  /// The inputs as the operator takes them: `narrow` forces all of them back to float.
  static func inputs(_ values: [Value?], of node: Node, narrow: Bool = false) throws -> [Value?] {
    let schema = SchemaRegistry.newest(domain: node.domain, name: node.type)
    return try values.enumerated().map { index, value in
      guard case .tensor(let tensor)? = value, tensor.dataType == .double else { return value }
      guard let schema, let formal = index < schema.inputs.count ? schema.inputs[index] : schema.inputs.last else {
        return value
      }
      if !narrow && formal.types.containsTensor(Int(DataType.double.rawValue)) { return value }
      guard formal.types.containsTensor(Int(DataType.float.rawValue)) else { return value }
      return .tensor(try tensor.converted(to: .float))
    }
  }
}
