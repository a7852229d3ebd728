import Tensors

/// A constant tensor as a function of the place: an affine one (positions), or a band of one number in another (a triangle,
/// a window).
enum ConstantPattern {
  /// base + sum of step * place.
  case affine(base: Int, steps: [Int])
  /// In the last two axes: `inside` where -below <= column - row <= above, else `outside`. nil: no bound.
  case band(inside: Double, outside: Double, below: Int?, above: Int?)

  /// Larger constants are taken for weights.
  private static let limit = 1 << 24

  /// O(elements).
  init?(_ tensor: Tensor) {
    guard tensor.count > 1, tensor.count <= ConstantPattern.limit, tensor.dataType != .string,
      !tensor.dataType.isComplex, let view = try? ElementView<Double>(tensor)
    else { return nil }
    if let found = ConstantPattern.affine(tensor.shape, view) {
      self = found
    } else if tensor.rank >= 2, tensor.shape.dropLast(2).allSatisfy({ $0 == 1 }),
      let found = ConstantPattern.band(
        rows: tensor.shape[tensor.rank - 2], columns: tensor.shape[tensor.rank - 1], view)
    {
      self = found
    } else {
      return nil
    }
  }

  func value(at place: [AffineIndex]) -> IndexValue? {
    switch self {
    case .affine(let base, let steps):
      return .index(zip(place, steps).reduce(AffineIndex(Dim(base))) { $0 + $1.0 * $1.1 })
    case .band(let inside, let outside, let below, let above):
      guard place.count >= 2 else { return nil }
      let distance = place[place.count - 1] - place[place.count - 2]
      var test = IndexTest.always(true)
      if let above { test = .both(test, .reaches(distance * -1 + AffineIndex(Dim(above)))) }
      if let below { test = .both(test, .reaches(distance + AffineIndex(Dim(below)))) }
      return .choice(test, .number(inside), .number(outside))
    }
  }

  private static func affine(_ shape: [Int], _ view: ElementView<Double>) -> ConstantPattern? {
    let strides = Tensor.strides(shape)
    guard let base = Int(exactly: view[0]) else { return nil }
    var steps: [Int] = []
    for (axis, dim) in shape.enumerated() {
      guard dim > 1 else { steps.append(0); continue }
      guard let step = Int(exactly: view[strides[axis]] - view[0]) else { return nil }
      steps.append(step)
    }
    for index in 0..<view.count {
      var expected = base
      for axis in shape.indices { expected &+= steps[axis] &* (index / strides[axis] % shape[axis]) }
      if view[index] != Double(expected) { return nil }
    }
    return .affine(base: base, steps: steps)
  }

  private static func band(rows: Int, columns: Int, _ view: ElementView<Double>) -> ConstantPattern? {
    // The number at the corner is inside; the other one is the first that differs.
    let inside = view[0]
    guard let first = (0..<view.count).first(where: { view[$0] != inside }) else { return nil }
    let outside = view[first]
    var (starts, ends) = ([Int](), [Int]())
    for row in 0..<rows {
      let line = row * columns
      var (start, end) = (0, columns)
      while start < columns, view[line + start] == outside { start += 1 }
      while end > start, view[line + end - 1] == outside { end -= 1 }
      guard start < columns else { return nil }
      for column in start..<end where view[line + column] != inside { return nil }
      starts.append(start)
      ends.append(end)
    }
    let below = starts.enumerated().first { $0.element > 0 }.map { $0.offset - $0.element }
    let above = ends.enumerated().first { $0.element < columns }.map { $0.element - 1 - $0.offset }
    for row in 0..<rows {
      guard starts[row] == max(0, below.map { row - $0 } ?? 0),
        ends[row] == min(columns, above.map { row + $0 + 1 } ?? columns)
      else { return nil }
    }
    return .band(inside: inside, outside: outside, below: below, above: above)
  }
}
