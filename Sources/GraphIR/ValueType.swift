import Tensors

/// The type of a value, as far as it is known. A nil shape means unknown rank.
public indirect enum ValueType: Hashable, Sendable {
  case tensor(DataType?, [Dim]?)
  case sparse(DataType?, [Dim]?)
  case sequence(ValueType)
  case optional(ValueType)
  case map(DataType, ValueType)
  case opaque(domain: String, name: String)

  public var dataType: DataType? {
    switch self {
    case .tensor(let type, _), .sparse(let type, _): type
    default: nil
    }
  }

  public var shape: [Dim]? {
    switch self {
    case .tensor(_, let shape), .sparse(_, let shape): shape
    default: nil
    }
  }

  /// The shape in integers, where every dimension is one.
  public var concreteShape: [Int]? {
    guard let shape else { return nil }
    var result: [Int] = []
    result.reserveCapacity(shape.count)
    for dim in shape {
      guard let value = dim.value else { return nil }
      result.append(value)
    }
    return result
  }

  public func substituting(_ bindings: [String: Dim]) -> ValueType {
    switch self {
    case .tensor(let type, let shape): .tensor(type, shape?.map { $0.substituting(bindings) })
    case .sparse(let type, let shape): .sparse(type, shape?.map { $0.substituting(bindings) })
    case .sequence(let element): .sequence(element.substituting(bindings))
    case .optional(let element): .optional(element.substituting(bindings))
    case .map(let key, let value): .map(key, value.substituting(bindings))
    case .opaque: self
    }
  }
}

extension ValueType: CustomStringConvertible {
  /// As in ONNX text: `float[N, 3, 224, 224]`, `float` for a scalar, `float[]` for unknown rank, `seq(float[])`.
  public var description: String {
    func dims(_ shape: [Dim]?) -> String {
      guard let shape else { return "[]" }
      return shape.isEmpty ? "" : "[" + shape.map(\.description).joined(separator: ", ") + "]"
    }
    return switch self {
    case .tensor(let type, let shape): (type?.name ?? "undefined") + dims(shape)
    case .sparse(let type, let shape): "sparse_tensor(\(type?.name ?? "undefined")\(dims(shape)))"
    case .sequence(let element): "seq(\(element))"
    case .optional(let element): "optional(\(element))"
    case .map(let key, let value): "map(\(key), \(value))"
    case .opaque(let domain, let name): "opaque(\(domain), \(name))"
    }
  }
}
