import InferenceRuntime
import Operators
import Tensors

/// How a program walks its operands: the axes of the result, neighbours merged where all operands go on evenly, and how many elements
/// a thread takes at once.
struct ElementwiseLayout: Sendable {
  /// How a thread reads the elements of an input that belong to its elements of the result.
  enum Access: String, Sendable, Hashable {
    /// At the result's own index.
    case whole
    /// One element for all.
    case one
    /// Side by side, from a place that the thread computes once.
    case row
    /// One element for all that the thread has.
    case same
    /// Each at a place of its own.
    case each
  }

  let count: Int
  /// Extents, the last the fastest.
  private(set) var dims: [Int] = []
  /// By input, by axis: in elements.
  private(set) var strides: [[Int]] = []
  private(set) var accesses: [Access] = []
  /// Elements that a thread takes at once.
  let width: Int

  /// `shapes` are the inputs', each broadcast to `shape`; `inner`: a multiple of all that a thread takes at once, where rows are told apart
  /// otherwise than by inputs. Throws a refusal where an input does not fit.
  init(_ program: ElementwiseProgram, over shape: [Int], _ shapes: [[Int]], inner: Int? = nil) throws {
    count = shape.reduce(1, *)
    guard count > 0, count < 1 << 31 else { throw Refusal("\(count) elements") }
    guard shapes.count == program.inputs.count else { throw Refusal("\(shapes.count) inputs") }
    for other in shapes {
      let offset = shape.count - other.count
      guard offset >= 0, other.indices.allSatisfy({ other[$0] == 1 || other[$0] == shape[$0 + offset] }) else {
        throw Refusal("\(other) against \(shape)")
      }
    }
    let (dims, strides) = Self.merged(shape, shapes.map { Broadcast.strides(of: $0, to: shape) })
    let last = dims.count - 1
    let isWhole = strides.map { walk in walk == Tensor.strides(dims) || walk.indices.allSatisfy { dims[$0] == 1 } }
    let isOne = strides.map { $0.allSatisfy { $0 == 0 } }
    // 16 bytes of the widest type that moves element by element.
    var widest = program.results.map { $0.type.bitWidth / 8 }.max() ?? 4
    for (index, type) in program.inputs.enumerated() where isWhole[index] && !isOne[index] {
      widest = max(widest, type.bitWidth / 8)
    }
    var width = 16 / max(1, widest)
    let walks = strides.indices.contains { !isWhole[$0] && !isOne[$0] }
    var fits = width
    while fits > 1 && dims[last] % fits != 0 { fits /= 2 }
    if walks && fits * 2 >= width { width = fits }
    if let inner { while width > 1 && (inner % width != 0 || walks && dims[last] % width != 0) { width /= 2 } }
    let isEven = dims[last] % width == 0
    for index in strides.indices {
      let access: Access =
        isOne[index]
        ? .one : isWhole[index] ? .whole : !isEven ? .each : strides[index][last] == 0 ? .same : .row
      accesses.append(access)
    }
    (self.dims, self.strides, self.width) = (dims, strides, width)
  }

  /// True where places of inputs are computed from the result's index.
  var needsCoordinates: Bool { accesses.contains { $0 == .row || $0 == .same || $0 == .each } }

  /// Vectors that a thread takes, so that enough bytes are on their way.
  func vectors(on multiprocessors: Int) -> Int {
    let streams = max(1, accesses.count { $0 == .whole })
    let most = streams == 1 ? 4 : streams < 4 ? 2 : 1
    return count / width >= most * 256 * 8 * multiprocessors ? most : 1
  }

  /// Axes of extent 1 go; two become one where every operand's elements go on evenly from one to the other.
  static func merged(_ shape: [Int], _ walks: [[Int]]) -> (dims: [Int], strides: [[Int]]) {
    var dims: [Int] = []
    var strides = walks.map { _ in [Int]() }
    for axis in shape.indices where shape[axis] != 1 {
      if let last = dims.indices.last, walks.indices.allSatisfy({ strides[$0][last] == walks[$0][axis] * shape[axis] })
      {
        dims[last] *= shape[axis]
        for index in walks.indices { strides[index][last] = walks[index][axis] }
      } else {
        dims.append(shape[axis])
        for index in walks.indices { strides[index].append(walks[index][axis]) }
      }
    }
    return dims.isEmpty ? ([1], walks.map { _ in [0] }) : (dims, strides)
  }
}

/// Division by a number of 1 ... 2^31 - 1, as `Division` of division.cuh computes it.
struct IndexDivision: Sendable, Hashable {
  let divisor: Int
  let factor: Int
  let shift: Int

  init(_ divisor: Int) {
    precondition(divisor > 0 && divisor < 1 << 31)
    self.divisor = divisor
    var shift = 0
    while 1 << shift < divisor { shift += 1 }
    self.shift = shift
    factor = ((1 << 32) * ((1 << shift) - divisor)) / divisor + 1
  }

  /// The struct's members.
  var arguments: [Launch.Argument] { [.int32(divisor), .int32(factor), .int32(shift)] }

  /// What the device computes.
  func quotient(_ x: Int) -> Int { (((x * factor) >> 32) + x) >> shift }
}
