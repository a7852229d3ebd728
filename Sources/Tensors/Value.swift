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

  /// The same elements with the zeros in between. Throws for indices outside the shape and types that are no whole bytes.
  /// O(elements of the dense tensor).
  public func dense() throws -> Tensor {
    let type = values.dataType
    guard type != .string, type.bitWidth % 8 == 0 else {
      throw CameoError.unsupported("a sparse tensor of \(values.dataType)")
    }
    let width = type.bitWidth / 8
    let positions = try indices.ints()
    let rank = indices.rank == 2 ? shape.count : 1
    guard indices.rank == 1 || (indices.rank == 2 && indices.shape[1] == shape.count),
      positions.count == values.count * rank
    else {
      throw CameoError.badInput("the indices \(indices) do not fit \(values.count) values of a sparse tensor \(shape)")
    }
    let count = try Tensor.elementCount(shape)
    let strides = Tensor.strides(shape)
    return try Tensor.makeRaw(type, shape) { out in
      try values.withUnsafeBytes { source in
        for element in 0..<values.count {
          var place = 0
          if indices.rank == 2 {
            for axis in 0..<rank {
              let at = positions[element * rank + axis]
              guard at >= 0, at < shape[axis] else {
                throw CameoError.badInput("a sparse tensor's index \(at) lies outside \(shape)")
              }
              place += at * strides[axis]
            }
          } else {
            place = positions[element]
          }
          guard place >= 0, place < count else {
            throw CameoError.badInput("a sparse tensor's index \(place) lies outside \(shape)")
          }
          for byte in 0..<width { out[place * width + byte] = source[element * width + byte] }
        }
      }
    }
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

  /// The values in the order of other keys; nil where they are not the same ones. Maps that differ in order alone are equal.
  public func values(inOrderOf other: Tensor) -> [Value]? {
    guard keys.dataType == other.dataType, keys.count == other.count, values.count == keys.count else { return nil }
    if keys.isIdentical(to: other) { return values }
    func pick<Key: Hashable>(_ own: [Key], _ wanted: [Key]) -> [Value]? {
      let places = Dictionary(zip(own, own.indices)) { $1 }
      let found = wanted.compactMap { places[$0] }
      return Set(found).count == own.count ? found.map { values[$0] } : nil
    }
    if keys.dataType == .string { return pick(keys.strings, other.strings) }
    guard let own = try? keys.elements(as: Int64.self), let wanted = try? other.elements(as: Int64.self) else {
      return nil
    }
    return pick(own, wanted)
  }
}
