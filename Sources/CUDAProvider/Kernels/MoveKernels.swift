import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Transpose, Slice, Expand, Tile, Concat, Split, DepthToSpace and SpaceToDepth, by the bytes of an element.
enum MoveKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "Transpose": { try transpose($0) }, "Slice": { try slice($0) }, "Expand": { try expand($0) },
    "Tile": { try tile($0) }, "Concat": { try concat($0) }, "Split": { try split($0) },
    "DepthToSpace": { try blocks($0) }, "SpaceToDepth": { try blocks($0) },
  ]

  private static func source(_ offset: Int) -> Launch.Argument { .input(0, offset: offset) }

  /// The source and the result; a refusal where they differ in type.
  static func operands(_ request: CUDARequest) throws -> (x: Operand, y: Operand, width: Int) {
    let (x, y) = (try ElementwiseKernels.needed(request, 0), try ElementwiseKernels.result(request))
    guard x.type == y.type else { throw Refusal("\(x.type) moved to \(y.type)") }
    return (x, y, try Movement.width(x.type))
  }

  static func axis(_ request: CUDARequest, _ fallback: Int, rank: Int) throws -> Int {
    let axis = try request.attributes.int("axis", default: fallback)
    let normalized = axis < 0 ? axis + rank : axis
    guard normalized >= 0, normalized < rank else { throw Refusal("axis \(axis) for rank \(rank)") }
    return normalized
  }

  /// Inputs whose contents the shapes say already.
  static func unread(_ request: CUDARequest, from index: Int) -> [Int] {
    request.inputs.indices.filter { $0 >= index && request.input($0)?.constant != nil }
  }

  private static func transpose(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, _, width) = try operands(request)
    let permutation = try request.attributes.optionalInts("perm") ?? Array((0..<x.rank).reversed())
    guard permutation.sorted() == Array(0..<x.rank) else { throw Refusal("perm \(permutation)") }
    return try transposed(request, width: width, x.shape, permutation)
  }

  private static func transposed(
    _ request: CUDARequest, width: Int, _ shape: [Int], _ permutation: [Int]
  ) throws -> PreparedKernel {
    let launch = try Movement(context: request.context).transpose(
      width: width, shape: shape, permutation: permutation, source, .output())
    return PreparedKernel(LaunchKernel("transpose", [launch]))
  }

  private static func blocks(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, _, width) = try operands(request)
    let b = try request.attributes.int("blocksize")
    guard x.rank == 4, b > 0 else { throw Refusal("blocks of \(b) in rank \(x.rank)") }
    let (n, c, h, w) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
    if request.node.type == "SpaceToDepth" {
      return try transposed(request, width: width, [n, c, h / b, b, w / b, b], [0, 3, 5, 1, 2, 4])
    }
    let mode = try request.attributes.string("mode", default: "DCR")
    return mode == "CRD"
      ? try transposed(request, width: width, [n, c / (b * b), b, b, h, w], [0, 1, 4, 2, 5, 3])
      : try transposed(request, width: width, [n, b, b, c / (b * b), h, w], [0, 3, 4, 1, 5, 2])
  }

  private static func slice(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, width) = try operands(request)
    guard let ranges = SliceRanges(inputs: request.inputs, shape: x.shape) else { throw Refusal("bounds are computed") }
    let strides = Tensor.strides(x.shape)
    let launch = try Movement(context: request.context).strided(
      width: width, dims: y.shape, strides: zip(strides, ranges.steps).map { $0 &* $1 },
      offset: zip(strides, ranges.starts).reduce(0) { $0 + $1.0 * $1.1 }, source, .output())
    return PreparedKernel(LaunchKernel("slice", [launch]), unreadInputs: unread(request, from: 1))
  }

  private static func expand(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, _) = try operands(request)
    let made = try ElementwiseKernels.copy(x.type, x.shape, to: y.shape, request)
    return PreparedKernel(made.kernel, unreadInputs: unread(request, from: 1))
  }

  private static func tile(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, _) = try operands(request)
    guard x.rank == y.rank, x.count > 0 else { throw Refusal("\(x.shape) to \(y.shape)") }
    // Repetitions are axes of their own.
    let from = x.shape.flatMap { [1, $0] }
    let to = x.shape.indices.flatMap { [y.shape[$0] / x.shape[$0], x.shape[$0]] }
    let made = try ElementwiseKernels.copy(x.type, from, to: to, request)
    return PreparedKernel(made.kernel, unreadInputs: unread(request, from: 1))
  }

  // MARK: Parts

  /// A part's rows: from where to where, and their lengths in bytes.
  private struct Part {
    let from: (Int) -> Launch.Argument
    let to: (Int) -> Launch.Argument
    let offset: (from: Int, to: Int)
    let pitch: (from: Int, to: Int)
    let row: Int
  }

  private static func concat(_ request: CUDARequest) throws -> PreparedKernel {
    let y = try ElementwiseKernels.result(request)
    let width = try Movement.width(y.type)
    let axis = try axis(request, 0, rank: y.rank)
    let inner = y.shape[(axis + 1)...].reduce(1, *) * width
    let total = y.shape[axis] * inner
    var (parts, offset): ([Part], Int) = ([], 0)
    for index in request.inputs.indices {
      let part = try ElementwiseKernels.needed(request, index)
      guard part.type == y.type, part.rank == y.rank else { throw Refusal("parts of several types") }
      let row = part.shape[axis] * inner
      parts.append(
        Part(
          from: { .input(index, offset: $0) }, to: { .output(0, offset: $0) }, offset: (0, offset), pitch: (row, total),
          row: row))
      offset += row
    }
    guard offset == total else { throw Refusal("parts that do not fit") }
    return try copy(request, "concat", parts, rows: y.shape[..<axis].reduce(1, *))
  }

  private static func split(_ request: CUDARequest) throws -> PreparedKernel {
    let x = try ElementwiseKernels.needed(request, 0)
    let width = try Movement.width(x.type)
    let axis = try axis(request, 0, rank: x.rank)
    let inner = x.shape[(axis + 1)...].reduce(1, *) * width
    let total = x.shape[axis] * inner
    var (parts, offset): ([Part], Int) = ([], 0)
    for index in request.outputs.indices {
      let part = try ElementwiseKernels.result(request, index)
      guard part.type == x.type, part.rank == x.rank else { throw Refusal("parts of several types") }
      let row = part.shape[axis] * inner
      parts.append(
        Part(
          from: { .input(0, offset: $0) }, to: { .output(index, offset: $0) }, offset: (offset, 0), pitch: (total, row),
          row: row))
      offset += row
    }
    guard offset == total else { throw Refusal("parts that do not fit") }
    return try copy(request, "split", parts, rows: x.shape[..<axis].reduce(1, *), unread: unread(request, from: 1))
  }

  private static let most = 32

  private static func copy(
    _ request: CUDARequest, _ name: String, _ parts: [Part], rows: Int, unread: [Int] = []
  ) throws -> PreparedKernel {
    let parts = parts.filter { $0.row > 0 }
    var width = 16
    while parts.contains(where: { ($0.row | $0.pitch.from | $0.pitch.to | $0.offset.from | $0.offset.to) % width != 0 })
    { width /= 2 }
    let launches = try stride(from: 0, to: parts.count, by: most).map { first in
      try launch(request.context, Array(parts[first..<min(first + most, parts.count)]), rows: rows, width: width)
    }
    return PreparedKernel(LaunchKernel(name, launches), unreadInputs: unread)
  }

  private static func launch(_ context: CUDAContext, _ parts: [Part], rows: Int, width: Int) throws -> Launch {
    let movement = Movement(context: context)
    let units = movement.units(parts.reduce(0) { $0 + rows * $1.row / width })
    var room = 2
    while room < parts.count { room *= 2 }
    var (arguments, block): ([Launch.Argument], Int) = ([], 0)
    for index in 0..<room {
      let part = parts[min(index, parts.count - 1)]
      let isThere = index < parts.count
      let count = rows * part.row / width
      try Movement.check(max(count, rows * max(part.pitch.from, part.pitch.to) / width))
      arguments += [part.from(part.offset.from), part.to(part.offset.to)]
      arguments += IndexDivision(part.row / width).arguments
      arguments += [.int32(part.pitch.from / width), .int32(part.pitch.to / width)]
      arguments += [.int32(count), .int32(isThere ? block : Int(Int32.max)), .int32(0)]
      if isThere { block += movement.blocks(count, units) }
    }
    return Launch(
      try movement.function("copy_parts", "copy_parts.cu", ["WIDTH": width, "PARTS": room, "UNITS": units]),
      grid: LaunchSize(block), block: LaunchSize(256), arguments)
  }
}
