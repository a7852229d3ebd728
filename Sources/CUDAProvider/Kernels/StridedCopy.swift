import InferenceRuntime
import Operators
import Tensors

/// Launches that move elements without looking at them, by their bytes.
struct Movement {
  let context: CUDAContext

  static let headers = ["elements.cuh", "division.cuh", "units.cuh"]

  func function(_ name: String, _ file: String, _ macros: [String: Int], _ headers: [String] = headers) throws
    -> CUDAFunction
  {
    let sources = try (headers + [file]).map { try KernelSource.embedded($0) }
    return try context.function(
      KernelProgram(sources, macros: macros, architecture: context.architecture), name)
  }

  /// Bytes of one element. A refusal for packed types.
  static func width(_ type: DataType) throws -> Int {
    guard type.bitWidth >= 8, type != .string else { throw Refusal("elements of \(type)") }
    return type.bitWidth / 8
  }

  /// Units that a thread takes: several, where there are enough for all multiprocessors.
  func units(_ count: Int) -> Int { count >= 4 * 1024 * context.info.multiprocessors ? 4 : 1 }

  /// Blocks of 256 threads that take them all.
  func blocks(_ count: Int, _ units: Int) -> Int { (count + 256 * units - 1) / (256 * units) }

  static func check(_ count: Int) throws {
    guard count < 1 << 31 else { throw Refusal("\(count) elements") }
  }

  /// The contiguous result of extents `dims` whose elements of `width` bytes lie at `strides` from element `offset` on. `source` and
  /// `target` take an offset in bytes.
  func strided(
    width: Int, dims: [Int], strides: [Int], offset: Int = 0, _ source: (Int) -> Launch.Argument,
    _ target: Launch.Argument
  ) throws -> Launch {
    try Self.check(dims.reduce(1, *))
    var (dims, walks) = ElementwiseLayout.merged(dims, [strides])
    var (width, offset) = (width, offset)
    // Wider units, where the last axis is contiguous and all else allows it.
    while width < 16, let last = dims.indices.last, walks[0][last] == 1, dims[last] % 2 == 0, offset % 2 == 0,
      walks[0].dropLast().allSatisfy({ $0 % 2 == 0 })
    {
      width *= 2
      offset /= 2
      dims[last] /= 2
      walks[0] = walks[0].dropLast().map { $0 / 2 } + [1]
    }
    (dims, walks) = ElementwiseLayout.merged(dims, walks)
    guard let rank = [1, 2, 3, 4, 6, 8].first(where: { $0 >= dims.count }) else { throw Refusal("more than 8 axes") }
    guard walks[0].allSatisfy({ abs($0) < 1 << 31 }) else { throw Refusal("strides of \(walks[0])") }
    dims = [Int](repeating: 1, count: rank - dims.count) + dims
    let steps = [Int](repeating: 0, count: rank - walks[0].count) + walks[0]
    let count = dims.reduce(1, *)
    let units = units(count)
    let arguments: [Launch.Argument] =
      [source(offset * width), target, .int32(count)] + dims.flatMap { IndexDivision($0).arguments }
      + steps.map { .int32($0) }
    return Launch(
      try function("strided_copy", "strided_copy.cu", ["WIDTH": width, "RANK": rank, "UNITS": units]),
      grid: LaunchSize(blocks(count, units)), block: LaunchSize(256), arguments.aligned)
  }

  /// Axis i of the result is axis `permutation[i]` of the source.
  func transpose(
    width: Int, shape: [Int], permutation: [Int], _ source: (Int) -> Launch.Argument, _ target: Launch.Argument
  ) throws -> Launch {
    let own = Tensor.strides(shape)
    let given = (dims: permutation.map { shape[$0] }, strides: permutation.map { own[$0] })
    if let tiles = TransposeTiles(width: width, dims: given.dims, strides: given.strides) {
      try Self.check(shape.reduce(1, *))
      return Launch(
        try function("transpose", "transpose.cu", tiles.macros), grid: LaunchSize(tiles.blocks), block: LaunchSize(256),
        ([source(0), target] + tiles.arguments).aligned)
    }
    return try strided(width: width, dims: given.dims, strides: given.strides, source, target)
  }
}

/// A transposition that exchanges what is contiguous, as transpose.cu does it tile by tile.
struct TransposeTiles {
  private(set) var macros: [String: Int] = [:]
  private(set) var blocks = 0
  /// Behind the two addresses.
  private(set) var arguments: [Launch.Argument] = []

  /// nil where the last axis stays, or tiles would be mostly empty. `dims`, `strides`: of the result, where its elements lie in the source.
  init?(width: Int, dims: [Int], strides: [Int]) {
    var width = width
    var (dims, walks) = ElementwiseLayout.merged(dims, [strides])
    if let inner = dims.last, walks[0].last == 1 {
      // A short last axis is a unit.
      guard dims.count > 2, inner * width <= 16, (inner * width).nonzeroBitCount == 1 else { return nil }
      width *= inner
      dims.removeLast()
      walks[0] = walks[0].dropLast().map { $0 / inner }
    }
    let (steps, places, b) = (walks[0], Tensor.strides(dims), dims.count - 1)
    guard let a = steps.firstIndex(of: 1), a < b, min(dims[a], dims[b]) >= 8 else { return nil }
    let others = dims.indices.filter { $0 != a && $0 != b }
    guard others.count <= 6, steps.allSatisfy({ $0 < 1 << 31 }) else { return nil }
    func vector(_ extent: Int, _ distances: [Int]) -> Int {
      var size = 16 / width
      while size > 1 && (extent % size != 0 || distances.contains { $0 % size != 0 }) { size /= 2 }
      return size
    }
    let tile = width > 4 ? 32 : 64
    let (tilesA, tilesB) = ((dims[a] + tile - 1) / tile, (dims[b] + tile - 1) / tile)
    macros = [
      "WIDTH": width, "RANK": others.count, "FROM_VECTOR": vector(dims[a], [steps[b]] + others.map { steps[$0] }),
      "TO_VECTOR": vector(dims[b], [places[a]] + others.map { places[$0] }),
    ]
    blocks = others.reduce(tilesA * tilesB) { $0 * dims[$1] }
    arguments = [.int32(dims[a]), .int32(dims[b])]
    arguments += IndexDivision(tilesA).arguments + IndexDivision(tilesB).arguments
    arguments += [.int32(steps[b]), .int32(places[a])]
    arguments += (others.map { dims[$0] } + [1]).flatMap { IndexDivision($0).arguments }
    arguments += (others.map { steps[$0] } + [0]).map { .int32($0) }
    arguments += (others.map { places[$0] } + [0]).map { .int32($0) }
  }
}
