import Tensors

/// Walks strided operands over one shape, row by row. Adjacent axes that every operand crosses evenly are joined first, so
/// operands of equal shape are one row, and a bias or a scalar makes rows as long as they can be.
struct BroadcastWalk {
  /// Elements of one row.
  let rowLength: Int
  /// By operand: elements to step within a row (0 where it is repeated).
  let rowStrides: [Int]
  /// Lengths of the axes around the rows, outermost first.
  private let outer: [Int]
  /// `outerStrides[axis][operand]`.
  private let outerStrides: [[Int]]
  /// By operand: the element where the walk starts.
  private let start: [Int]

  /// `strides[operand][axis]` in elements; `start` is 0 for each unless given.
  init(_ shape: [Int], strides: [[Int]], start: [Int]? = nil) {
    var lengths: [Int] = []
    var steps: [[Int]] = []
    for axis in shape.indices where shape[axis] != 1 {
      let here = strides.map { $0[axis] }
      if let last = lengths.indices.last, zip(steps[last], here).allSatisfy({ $0 == $1 &* shape[axis] }) {
        lengths[last] &*= shape[axis]
        steps[last] = here
      } else {
        lengths.append(shape[axis])
        steps.append(here)
      }
    }
    self.start = start ?? [Int](repeating: 0, count: strides.count)
    if shape.contains(0) {
      rowLength = 0
      outer = [0]
      outerStrides = [[Int](repeating: 0, count: strides.count)]
      rowStrides = outerStrides[0]
      return
    }
    rowLength = lengths.popLast() ?? 1
    rowStrides = steps.popLast() ?? [Int](repeating: 0, count: strides.count)
    outer = lengths
    outerStrides = steps
  }

  /// Operands of these shapes broadcast to `shape`.
  init(_ shape: [Int], broadcasting operands: [[Int]]) {
    self.init(shape, strides: operands.map { Broadcast.strides(of: $0, to: shape) })
  }

  /// `body` gets the row's first position in the row-major result, and each operand's first element.
  func forEachRow(_ body: (_ position: Int, _ offsets: [Int]) throws -> Void) rethrows {
    var offsets = start
    if outer.isEmpty { return try body(0, offsets) }
    if outer.contains(0) { return }
    var index = [Int](repeating: 0, count: outer.count)
    var position = 0
    while true {
      try body(position, offsets)
      position += rowLength
      var axis = outer.count - 1
      while true {
        index[axis] += 1
        let steps = outerStrides[axis]
        if index[axis] < outer[axis] {
          for operand in offsets.indices { offsets[operand] += steps[operand] }
          break
        }
        for operand in offsets.indices { offsets[operand] -= steps[operand] &* (outer[axis] - 1) }
        index[axis] = 0
        if axis == 0 { return }
        axis -= 1
      }
    }
  }
}
