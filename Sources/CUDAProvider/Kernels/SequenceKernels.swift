import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// RotaryEmbedding of the standard and of com.microsoft, and TensorScatter. A position outside the caches, or a write index outside the cache,
/// is no error here: the nearest angles serve, and nothing is written.
enum SequenceKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "RotaryEmbedding": { try rotary($0, cosine: 1, positions: 3) },
    "com.microsoft.RotaryEmbedding": { try rotary($0, cosine: 2, positions: 1) },
    "TensorScatter": { try scatter($0) },
  ]

  private static func rotary(_ request: CUDARequest, cosine: Int, positions place: Int) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, cosine, cosine + 1])
    let (x, y) = (try request.operand(0), try request.result())
    let (cosines, sines) = (try request.operand(cosine), try request.operand(cosine + 1))
    guard x.rank == 3 || x.rank == 4, cosines.rank >= 2, cosines.shape == sines.shape, cosines.type == sines.type,
      let angles = cosines.shape.last, angles > 0
    else { throw Refusal("\(x.shape) by \(cosines.shape), \(sines.shape)") }
    let isPacked = x.rank == 3
    var heads = isPacked ? try request.attributes.int("num_heads", default: 0) : x.shape[1]
    let rotated = try request.attributes.int("rotary_embedding_dim", default: 0)
    if heads == 0, cosine == 2 { heads = x.shape[2] / (2 * angles) }
    guard heads > 0, x.shape[x.rank - 1] % (isPacked ? heads : 1) == 0 else { throw Refusal("\(heads) heads") }
    let (batch, length) = (x.shape[0], x.shape[x.rank - 2])
    let size = isPacked ? x.shape[2] / heads : x.shape[3]
    let half = (rotated == 0 && cosine == 1 ? size : rotated == 0 ? 2 * angles : rotated) / 2
    guard half == angles, 2 * half <= size else { throw Refusal("a rotation of \(2 * angles) of \(size)") }
    var isSingle = false
    if let positions = request.input(place) {
      isSingle = cosine == 2 && positions.count == 1 && positions.rank < 2
      guard positions.type == .int64, isSingle || positions.count == batch * length, cosines.rank == 2 else {
        throw Refusal("positions \(positions.shape)")
      }
    } else {
      guard cosine == 1,
        cosines.count == batch * length * half
          || cosines.rank == 3 && cosines.shape[0] == 1 && cosines.shape[1] == length
      else { throw Refusal("angles \(cosines.shape)") }
    }
    let isShared = request.input(place) == nil && cosines.count != batch * length * half
    let isInterleaved = try request.attributes.bool("interleaved")
    // Pairs side by side are loaded at once.
    let vector = RowForm.vector(
      [x.type, y.type, cosines.type], dividing: isInterleaved ? [half, size % 2 == 0 ? size / 2 : 1] : [half, size],
      atMost: isInterleaved ? 4 : 8)
    let units = (size - half) / vector
    let count = batch * heads * length * units
    guard count < 1 << 31 else { throw Refusal("\(x.count) elements") }
    let function = try request.function(
      "rotary", in: ["elements.cuh", "rows.cuh", "rotary.cu"],
      macros: [
        "X": x.type.code, "Y": y.type.code, "ANGLES": cosines.type.code, "VEC": vector,
        "INTERLEAVED": isInterleaved ? 1 : 0,
      ])
    let launch = Launch(
      function, grid: LaunchSize(parts(count, of: 256)), block: LaunchSize(256),
      [
        .input(0), .input(cosine), .input(cosine + 1), request.input(place) == nil ? .null : .input(place), .output(),
        .int32(count), .int32(size), .int32(half), .int32(cosines.shape[0]), .int32(length), .int32(isShared ? 1 : 0),
        .int32(isSingle ? 1 : 0), .divisor(units), .divisor(isPacked ? heads : length),
        .divisor(isPacked ? length : heads), .int32(isPacked ? 0 : 1), .end,
      ])
    return PreparedKernel(LaunchKernel("rotary", [launch]), inPlaceInputs: x.type == y.type ? [0] : [])
  }

  private static func scatter(_ request: CUDARequest) throws -> PreparedKernel {
    let (cache, update) = (try request.operand(0), try request.operand(1))
    let axis = try request.axis("axis", default: -2, rank: cache.rank)
    let mode = try request.attributes.string("mode", default: "linear")
    guard cache.type.bitWidth >= 8, cache.type != .string, axis > 0, update.type == cache.type,
      update.rank == cache.rank,
      cache.shape.indices.allSatisfy({ $0 == axis || cache.shape[$0] == update.shape[$0] }),
      mode == "linear" || mode == "circular"
    else { throw Refusal("an update \(update.shape) of \(cache.shape), mode \(mode)") }
    if let starts = request.input(2), starts.type != .int64 || starts.count != cache.shape[0] {
      throw Refusal("write indices \(starts.shape)")
    }
    let step = product(cache.shape[(axis + 1)...]) * cache.type.bytes
    let vector = [16, 8, 4, 2, 1].first { step % $0 == 0 } ?? 1
    let count = update.byteCount / vector
    guard count < 1 << 31 else { throw Refusal("\(update.count) elements") }
    let function = try request.function(
      "tensor_scatter", in: ["elements.cuh", "rows.cuh", "rotary.cu"], macros: ["ANGLES": 0, "VEC": vector])
    let launch = Launch(
      function, grid: LaunchSize(parts(max(1, count), of: 256)), block: LaunchSize(256),
      [
        .input(1), request.input(2) == nil ? .null : .input(2), .output(), .int64(count), .divisor(step / vector),
        .divisor(update.shape[axis]), .int32(product(cache.shape[1..<axis])), .int32(cache.shape[axis]),
        .int32(mode == "circular" ? 1 : 0),
      ])
    return PreparedKernel(
      OverwritingKernel("tensor scatter", [launch], byteCount: cache.byteCount), inPlaceInputs: [0],
      copiedBytes: cache.byteCount)
  }
}

/// A copy of input 0, unless the result takes its place, and launches that write into it.
private final class OverwritingKernel: Kernel, @unchecked Sendable {
  private let launches: LaunchKernel
  private let byteCount: Int

  init(_ name: String, _ launches: [Launch], byteCount: Int) {
    self.launches = LaunchKernel(name, launches)
    self.byteCount = byteCount
    super.init(name)
  }

  override func run(_ call: KernelCall) throws {
    let (source, target) = (call.input(0), call.output())
    if source != UnsafeRawPointer(target) { try call.queue.copy(source, to: target, byteCount: byteCount) }
    try launches.run(call)
  }
}
