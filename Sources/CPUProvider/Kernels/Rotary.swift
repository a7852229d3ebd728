internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// RotaryEmbedding in float32, one position of all heads at a time.
enum RotaryKernels {
  static let makers: [String: CPUProvider.Maker] = ["RotaryEmbedding": { try make($0) }]

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0, 1, 2])
    let x = try request.operand(0)
    let (cosine, sine) = (try request.operand(1), try request.operand(2))
    guard x.rank == 3 || x.rank == 4 else { throw Refusal("rank \(x.rank)") }
    let isPacked = x.rank == 3
    let heads = isPacked ? try request.attributes.int("num_heads", default: 0) : x.shape[1]
    guard heads > 0, x.shape[x.rank - 1] % (isPacked ? heads : 1) == 0 else { throw Refusal("\(heads) heads") }
    let (batch, length) = (x.shape[0], x.shape[x.rank - 2])
    let size = isPacked ? x.shape[2] / heads : x.shape[3]
    var rotated = try request.attributes.int("rotary_embedding_dim", default: 0)
    if rotated == 0 { rotated = size }
    let half = rotated / 2
    guard rotated > 0, rotated % 2 == 0, rotated <= size, cosine.rank >= 2, cosine.shape == sine.shape,
      cosine.shape[cosine.rank - 1] == half
    else { throw Refusal("a rotation of \(rotated) of \(size)") }
    var rows: Int?
    if let positions = request.input(3) {
      guard positions.type == .int64, positions.count == batch * length, cosine.rank == 2 else {
        throw Refusal("positions \(positions.shape)")
      }
      rows = cosine.shape[0]
    } else {
      guard
        cosine.count == batch * length * half
          || (cosine.rank == 3 && cosine.shape[0] == 1 && cosine.shape[1] == length)
      else { throw Refusal("angles \(cosine.shape)") }
    }
    let kernel = RotaryKernel(
      RotaryKernel.Settings(
        batch: batch, heads: heads, length: length, size: size, half: half, isPacked: isPacked,
        isInterleaved: try request.attributes.bool("interleaved"),
        sharesAngles: rows == nil && cosine.count != batch * length * half, tableRows: rows))
    return PreparedKernel(kernel, inPlaceInputs: [0])
  }
}

private final class RotaryKernel: Kernel, @unchecked Sendable {
  struct Settings {
    let batch: Int
    let heads: Int
    let length: Int
    let size: Int
    let half: Int
    let isPacked: Bool
    let isInterleaved: Bool
    /// All items of the batch turn by the first one's angles.
    let sharesAngles: Bool
    /// Rows of the tables where positions are given.
    let tableRows: Int?
  }

  private let s: Settings

  init(_ settings: Settings) {
    s = settings
    super.init("rotary")
  }

  override func run(_ call: KernelCall) throws {
    if let rows = s.tableRows {
      let positions = call.input(3, Int64.self)
      for index in 0..<s.batch * s.length {
        let position = positions[index]
        guard position >= -Int64(rows), position < Int64(rows) else {
          throw CameoError.badInput("position \(position) lies outside the caches")
        }
      }
    }
    parallel(call, phase: 0, count: s.batch * s.length, grain: max(1, 16384 / (s.heads * s.size)))
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let (x, y) = (call.input(0, Float.self), call.output(0, Float.self))
    let (cosine, sine) = (call.input(1, Float.self), call.input(2, Float.self))
    for index in begin..<end {
      let (b, t) = (index / s.length, index % s.length)
      let start = s.isPacked ? index * s.heads * s.size : (b * s.heads * s.length + t) * s.size
      var row = s.sharesAngles ? t : index
      if let rows = s.tableRows {
        let position = Int(call.input(3, Int64.self)[index])
        row = position < 0 ? position + rows : position
      }
      ck_rotary_f32(
        y + start, x + start, cosine + row * s.half, sine + row * s.half, s.half, s.size, s.heads,
        s.isPacked ? s.size : s.length * s.size, s.isInterleaved)
    }
  }
}
