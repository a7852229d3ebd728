import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// TensorScatter of whole-byte types: the cache copied row by row, the update's steps over it. Over its own memory only the update
/// is written.
enum ScatterKernels {
  static let makers: [String: CPUProvider.Maker] = ["TensorScatter": { try make($0) }]

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    let (cache, update) = (try request.operand(0), try request.operand(1))
    let width = try request.width(cache)
    let axis = try request.axis("axis", -2, rank: cache.rank)
    let mode = try request.attributes.string("mode", default: "linear")
    guard axis > 0, update.type == cache.type, update.rank == cache.rank,
      cache.shape.indices.allSatisfy({ $0 == axis || cache.shape[$0] == update.shape[$0] }),
      mode == "linear" || mode == "circular"
    else { throw Refusal("an update \(update.shape) of \(cache.shape), mode \(mode)") }
    if let starts = request.input(2), starts.type != .int64 || starts.count != cache.shape[0] {
      throw Refusal("write indices \(starts.shape)")
    }
    let kernel = TensorScatterKernel(
      batch: cache.shape[0], rows: product(cache.shape[..<axis]), room: cache.shape[axis], length: update.shape[axis],
      stepBytes: product(cache.shape[(axis + 1)...]) * width, isCircular: mode == "circular")
    return PreparedKernel(kernel, inPlaceInputs: [0])
  }
}

private final class TensorScatterKernel: Kernel, @unchecked Sendable {
  private let batch: Int
  private let rows: Int
  private let room: Int
  private let length: Int
  private let stepBytes: Int
  private let isCircular: Bool

  init(batch: Int, rows: Int, room: Int, length: Int, stepBytes: Int, isCircular: Bool) {
    (self.batch, self.rows, self.room, self.length) = (batch, rows, room, length)
    (self.stepBytes, self.isCircular) = (stepBytes, isCircular)
    super.init("tensor scatter")
  }

  private func start(_ call: KernelCall, _ item: Int) -> Int {
    guard call.optional(2, Int64.self) != nil else { return 0 }
    return Int((call.input(2) + item * 8).loadUnaligned(as: Int64.self))
  }

  override func run(_ call: KernelCall) throws {
    for item in 0..<batch {
      let start = start(call, item)
      guard start >= 0, isCircular || start <= room && length <= room - start else {
        throw CameoError.badInput("\(length) elements from index \(start) on lie outside an axis of length \(room)")
      }
    }
    parallel(call, count: rows, grain: max(1, (1 << 17) / max(1, room * stepBytes)))
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    let (source, out) = (call.input(0), call.output())
    let bytes = room * stepBytes
    if source != UnsafeRawPointer(out) { memcpy(out + begin * bytes, source + begin * bytes, (end - begin) * bytes) }
    guard length > 0 else { return }
    let update = call.input(1)
    for row in begin..<end {
      let start = start(call, row / (rows / batch))
      let target = out + row * bytes
      if !isCircular {
        memcpy(target + start * stepBytes, update + row * length * stepBytes, length * stepBytes)
        continue
      }
      for step in 0..<length {
        memcpy(target + (start % room + step) % room * stepBytes, update + (row * length + step) * stepBytes, stepBytes)
      }
    }
  }
}
