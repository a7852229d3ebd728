/// What flows along an edge of a graph at run time.
public indirect enum Value: Sendable {
  case tensor(Tensor)
  case sparse(SparseTensor)
  case sequence([Value])
  case optional(Value?)
  case map(MapValue)

  /// The tensor, or nil for the other kinds.
  public var tensor: Tensor? {
    if case .tensor(let tensor) = self { return tensor }
    return nil
  }
}

/// COO form: `values` [NNZ], `indices` [NNZ] (linear) or [NNZ, rank], int64, ascending.
public struct SparseTensor: Sendable {
  public let values: Tensor
  public let indices: Tensor
  public let shape: [Int]

  public init(values: Tensor, indices: Tensor, shape: [Int]) {
    self.values = values
    self.indices = indices
    self.shape = shape
  }
}

/// ONNX's map type: keys are integers or strings, one tensor element or value each, in insertion order.
public struct MapValue: Sendable {
  /// 1-D tensor of an integer type or of strings.
  public let keys: Tensor
  public let values: [Value]

  public init(keys: Tensor, values: [Value]) {
    self.keys = keys
    self.values = values
  }
}
