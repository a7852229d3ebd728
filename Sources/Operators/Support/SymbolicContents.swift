import Tensors

/// Arithmetic on the integer contents of small tensors during inference.
enum SymbolicContents {
  /// `f` over two contents broadcast to each other; nil where a shape is not concrete or one element has no answer.
  static func map(
    _ context: InferenceContext, inputs a: Int = 0, and b: Int = 1, _ f: (Dim, Dim) -> Dim?
  ) -> [Dim]? {
    guard let x = context.symbols(a), let y = context.symbols(b), let shapeX = context.type(a)?.concreteShape,
      let shapeY = context.type(b)?.concreteShape, let shape = try? Broadcast.shape(shapeX, shapeY),
      let count = try? Tensor.elementCount(shape), count <= ValueFacts.symbolLimit
    else { return nil }
    var result: [Dim] = []
    result.reserveCapacity(count)
    for (i, j) in indices(shape, shapeX, shapeY) {
      guard i < x.count, j < y.count, let dim = f(x[i], y[j]) else { return nil }
      result.append(dim)
    }
    return fitting(result, context.dataType(a))
  }

  /// For each element of `shape`, which elements of two broadcast operands it reads.
  static func indices(_ shape: [Int], _ x: [Int], _ y: [Int]) -> [(Int, Int)] {
    let walk = BroadcastWalk(shape, broadcasting: [x, y])
    var result: [(Int, Int)] = []
    walk.forEachRow { _, offsets in
      for i in 0..<walk.rowLength {
        result.append((offsets[0] + i * walk.rowStrides[0], offsets[1] + i * walk.rowStrides[1]))
      }
    }
    return result
  }

  /// The contents, or nil where a known one does not fit `type` (it would wrap at run time).
  static func fitting(_ symbols: [Dim]?, _ type: DataType?) -> [Dim]? {
    guard let symbols, let type, let range = range(of: type) else { return symbols }
    for case .some(let value) in symbols.lazy.map(\.value) where !range.contains(value) { return nil }
    return symbols
  }

  /// The values of an integer type, as far as `Int` holds them.
  static func range(of type: DataType) -> ClosedRange<Int>? {
    switch type {
    case .bool: 0...1
    case .uint2: 0...3
    case .int2: -2...1
    case .uint4: 0...15
    case .int4: -8...7
    case .uint8: 0...255
    case .int8: -128...127
    case .uint16: 0...65535
    case .int16: -32768...32767
    case .uint32: 0...Int(UInt32.max)
    case .int32: Int(Int32.min)...Int(Int32.max)
    case .uint64: 0...Int.max
    case .int64: Int.min...Int.max
    default: nil
    }
  }

  /// Whether a == b, where that holds or fails for all values of the symbols.
  static func equal(_ a: Dim, _ b: Dim) -> Bool? {
    if a == b { return true }
    if (a - b - 1).isNonNegative || (b - a - 1).isNonNegative { return false }
    return nil
  }

  /// Whether a < b, where that holds or fails for all values of the symbols.
  static func less(_ a: Dim, _ b: Dim) -> Bool? {
    if (b - a - 1).isNonNegative { return true }
    if (a - b).isNonNegative { return false }
    return nil
  }

  /// Division as ONNX divides integers (towards zero), where that is known to be the floor.
  static func divide(_ a: Dim, _ b: Dim) -> Dim? {
    if b == 0 { return nil }
    if let x = a.value, let y = b.value { return y == -1 ? -a : Dim(x / y) }
    let quotient = a.floorDiv(b)
    if a.isNonNegative && b.isNonNegative || quotient * b == a { return quotient }
    return nil
  }
}

extension InferenceContext {
  /// Throws where two of these inputs have known and differing element types.
  func requireSameType(_ indices: [Int]) throws {
    var first: (index: Int, type: DataType)?
    for index in indices {
      guard let type = dataType(index) else { continue }
      if let first, first.type != type {
        throw CameoError.badInput(
          "inputs \(first.index) and \(index) must agree in type, \(first.type) and \(type) are there")
      }
      if first == nil { first = (index, type) }
    }
  }

  /// The known element type among these inputs, after `requireSameType`.
  func commonType(_ indices: [Int]) throws -> DataType? {
    try requireSameType(indices)
    for index in indices { if let type = dataType(index) { return type } }
    return nil
  }
}
