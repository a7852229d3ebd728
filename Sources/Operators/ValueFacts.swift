public import GraphIR
public import Tensors

/// What is known of a value without running the model.
public struct ValueFacts: Sendable {
  public var type: ValueType?
  /// The elements in row-major order, where it is an integer or bool tensor of rank 0 or 1 (or of known small shape) that
  /// shape arithmetic computes. The count matches the shape.
  public var symbols: [Dim]?
  /// The value itself, where it is the same in every run.
  public var constant: Value?

  public init(type: ValueType? = nil, symbols: [Dim]? = nil, constant: Value? = nil) {
    self.type = type
    self.symbols = symbols
    self.constant = constant
  }

  public static let unknown = ValueFacts()

  /// Most elements that symbolic contents are kept for.
  public static let symbolLimit = 64

  /// The facts of a fixed value, small integer contents included.
  public init(constant value: Value) {
    constant = value
    type = value.staticType
    if let tensor = value.tensor { symbols = ValueFacts.symbols(of: tensor) }
  }

  static func symbols(of tensor: Tensor) -> [Dim]? {
    guard tensor.count <= symbolLimit, tensor.dataType.isInteger || tensor.dataType == .bool else { return nil }
    guard let values = try? tensor.ints() else { return nil }
    // Unsigned values past Int.max have no Dim.
    if tensor.dataType == .uint64, values.contains(where: { $0 < 0 }) { return nil }
    return values.map { Dim($0) }
  }

  public var dataType: DataType? { type?.dataType }
  public var shape: [Dim]? { type?.shape }

  /// The tensor: the constant, or the symbolic contents where all are integers.
  public var tensor: Tensor? {
    if let constant { return constant.tensor }
    guard let symbols, let type = dataType, let shape = type == .string ? nil : self.type?.concreteShape else {
      return nil
    }
    let values = symbols.compactMap(\.value)
    guard values.count == symbols.count else { return nil }
    return try? Tensor.of(values.map(Int64.init), type, shape: shape)
  }
}
