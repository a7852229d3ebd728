internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// LinearAttention and CausalConvWithState in float32; TensorScatter of whole-byte types.
enum SequenceKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "LinearAttention": { try linearAttention($0) },
    "CausalConvWithState": { try causalConvolution($0) }, "TensorScatter": { try tensorScatter($0) },
  ]

  private static func linearAttention(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0, 1, 2, 3, 4, 5])
    let (q, k, v) = (try request.operand(0), try request.operand(1), try request.operand(2))
    let attributes = request.attributes
    let (heads, keyHeads) = (try attributes.int("q_num_heads"), try attributes.int("kv_num_heads"))
    let rule = try attributes.string("update_rule", default: "gated_delta")
    let (isGated, isDelta) = (rule.hasPrefix("gated"), rule.hasSuffix("delta"))
    guard ["linear", "gated", "delta", "gated_delta"].contains(rule), isGated == (request.input(4) != nil),
      isDelta == (request.input(5) != nil)
    else { throw Refusal("rule \(rule)") }
    guard q.rank == 3, k.rank == 3, v.rank == 3, heads > 0, keyHeads > 0, heads % keyHeads == 0,
      q.shape[2] % heads == 0, v.shape[2] % keyHeads == 0, k.shape[2] == q.shape[2] / heads * keyHeads,
      k.shape[..<2] == q.shape[..<2], v.shape[..<2] == q.shape[..<2]
    else { throw Refusal("\(q.shape), \(k.shape), \(v.shape)") }
    let (batch, length, keys, values) = (q.shape[0], q.shape[1], q.shape[2] / heads, v.shape[2] / keyHeads)
    try request.requireCount(3, batch * keyHeads * keys * values)
    let (decay, beta) = (request.input(4), request.input(5))
    if let decay, decay.shape != [batch, length, keyHeads], decay.shape != [batch, length, keyHeads * keys] {
      throw Refusal("decay \(decay.shape)")
    }
    if let beta, beta.shape != [batch, length, keyHeads], beta.shape != [batch, length, 1] {
      throw Refusal("beta \(beta.shape)")
    }
    let present = try request.result(1)
    guard present.type == .float else { throw Refusal("a state of \(present.type)") }
    let given = try attributes.float("scale", default: 0)
    let scale = given == 0 ? Float(1 / Double(keys).squareRoot()) : given
    let slab = keys * values
    // A width of 1 with one head is both a number for each head and one for all.
    let (decayWidth, betaWidth) = (decay?.shape[2] ?? 0, beta?.shape[2] ?? 0)
    let written = aligned(values * 4)
    let kernel = RangeKernel("linear attention", count: batch * keyHeads, grain: 1) { call, begin, end, thread in
      let scratch = call.scratch + thread * written
      for head in begin..<end {
        let (item, h) = (head / keyHeads, head % keyHeads)
        let state = call.output(1, Float.self) + head * slab
        if let past = call.optional(3, Float.self) {
          state.update(from: past + head * slab, count: slab)
        } else {
          state.update(repeating: 0, count: slab)
        }
        for row in item * length..<(item + 1) * length {
          let rate = call.optional(4, Float.self).map {
            $0 + row * decayWidth + (decayWidth == keyHeads ? h : h * keys)
          }
          let weight = call.optional(5, Float.self).map { $0 + row * betaWidth + (betaWidth == 1 ? 0 : h) }
          ck_linear_attention_step_f32(
            state, call.input(1, Float.self) + (row * keyHeads + h) * keys,
            call.input(2, Float.self) + (row * keyHeads + h) * values, rate, decayWidth == keyHeads ? 0 : 1, weight,
            scratch.assumingMemoryBound(to: Float.self), keys, values)
          for reader in h * (heads / keyHeads)..<(h + 1) * (heads / keyHeads) {
            ck_linear_attention_read_f32(
              call.output(0, Float.self) + (row * heads + reader) * values, state,
              call.input(0, Float.self) + (row * heads + reader) * keys, scale, keys, values)
          }
        }
      }
    }
    return PreparedKernel(kernel, scratchBytes: request.threads * written)
  }

  private static func causalConvolution(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0, 1, 2, 3])
    let (x, w) = (try request.operand(0), try request.operand(1))
    guard x.rank == 3, w.rank == 3, w.shape[0] == x.shape[1], w.shape[1] == 1, w.shape[2] > 0 else {
      throw Refusal("\(x.shape) against \(w.shape)")
    }
    let activation = try request.attributes.string("activation", default: "none")
    guard ["none", "silu", "swish"].contains(activation) else { throw Refusal("activation \(activation)") }
    let (channels, length, taps) = (x.shape[1], x.shape[2], w.shape[2])
    try request.requireCount(2, channels)
    try request.requireCount(3, x.shape[0] * channels * (taps - 1))
    if let state = request.output(1), state.type != .float { throw Refusal("a state of \(state.type)") }
    let kernel = RangeKernel(
      "causal conv", count: x.shape[0] * channels, grain: max(1, (1 << 15) / max(1, length * taps))
    ) { call, begin, end, _ in
      for row in begin..<end {
        let channel = row % channels
        ck_causal_conv_f32(
          call.output(0, Float.self) + row * length,
          call.optionalOutput(1, Float.self).map { $0 + row * (taps - 1) },
          call.input(0, Float.self) + row * length, call.optional(3, Float.self).map { $0 + row * (taps - 1) },
          call.input(1, Float.self) + channel * taps, call.optional(2, Float.self)?[channel] ?? 0, taps, length,
          activation != "none")
      }
    }
    return PreparedKernel(kernel)
  }

  private static func tensorScatter(_ request: KernelRequest) throws -> PreparedKernel {
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

/// The cache copied row by row, the update's steps over it; over its own memory only the update is written.
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
