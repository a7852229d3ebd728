internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Attention in float32: online softmax, one head and block of queries at a time; the cache is written first.
enum AttentionKernels {
  static let makers: [String: CPUProvider.Maker] = ["Attention": { try make($0) }]

  /// Heads of an input: element (b, h, t, 0) at b * batch + h * head + t * row.
  struct Heads {
    let batch: Int
    let head: Int
    let row: Int
    let count: Int
    let length: Int
    let size: Int

    init(_ operand: Operand, heads: Int?) throws {
      guard operand.count > 0 else { throw Refusal("an empty operand") }
      if operand.rank == 4 {
        (count, length, size) = (operand.shape[1], operand.shape[2], operand.shape[3])
        (batch, head, row) = (count * length * size, length * size, size)
      } else {
        guard operand.rank == 3, let heads, heads > 0, operand.shape[2] % heads == 0 else {
          throw Refusal("rank \(operand.rank)")
        }
        (count, length, size) = (heads, operand.shape[1], operand.shape[2] / heads)
        (batch, head, row) = (length * heads * size, size, heads * size)
      }
    }
  }

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0, 1, 2, 4, 5])
    let attributes = request.attributes
    guard request.output(3) == nil else { throw Refusal("the scores are wanted") }
    guard request.input(6) == nil else { throw Refusal("nonpad_kv_seqlen") }
    guard try attributes.int("left_window_size", default: -1) == -1,
      try attributes.int("right_window_size", default: -1) == -1
    else { throw Refusal("a window") }
    if let precision = try attributes.dataType("softmax_precision"), precision != .float, precision != .double {
      throw Refusal("softmax in \(precision)")
    }
    let input = try request.operand(0)
    let keyHeads = try attributes.optionalInt("kv_num_heads")
    let q = try Heads(input, heads: try attributes.optionalInt("q_num_heads"))
    let k = try Heads(try request.operand(1), heads: keyHeads)
    let v = try Heads(try request.operand(2), heads: keyHeads)
    guard k.size == q.size, k.count == v.count, k.length == v.length, k.count > 0, q.count % k.count == 0 else {
      throw Refusal("operands that do not fit")
    }
    guard try request.operand(1).shape[0] == input.shape[0], try request.operand(2).shape[0] == input.shape[0] else {
      throw Refusal("batches that do not fit")
    }
    var past = 0
    if let key = request.input(4), let value = request.input(5) {
      guard key.rank == 4, value.rank == 4 else { throw Refusal("a cache of rank \(key.rank)") }
      past = key.shape[2]
      guard key.shape == [input.shape[0], k.count, past, k.size],
        value.shape == [input.shape[0], v.count, past, v.size]
      else {
        throw Refusal("a cache of the shapes \(key.shape) and \(value.shape)")
      }
    } else if request.input(4) != nil || request.input(5) != nil {
      throw Refusal("half a cache")
    }
    let total = past + k.length
    let keepsCache = request.output(1) != nil && request.output(2) != nil
    guard past == 0 || keepsCache else { throw Refusal("a cache that is not handed on") }
    guard request.output(1) == nil || keepsCache, request.output(2) == nil || keepsCache else {
      throw Refusal("half a cache")
    }
    guard total > 0 else { throw Refusal("no keys") }
    var maskStrides = [0, 0, 0]
    var isBool = false
    if let mask = request.input(3) {
      guard mask.type == .bool || mask.type == .float, mask.rank >= 1, mask.rank <= 4,
        mask.shape[mask.rank - 1] == total
      else {
        throw Refusal("a mask \(mask.type)\(mask.shape)")
      }
      isBool = mask.type == .bool
      try request.requireBroadcast(mask, to: [input.shape[0], q.count, q.length, total])
      let strides = Broadcast.strides(of: mask.shape, to: [input.shape[0], q.count, q.length, total])
      maskStrides = Array(strides[..<3])
    }
    let settings = AttentionKernel.Settings(
      batch: input.shape[0], q: q, k: k, v: v, past: past, total: total, keepsCache: keepsCache,
      isFlat: input.rank == 3,
      scale: try attributes.optionalFloat("scale") ?? Float(1 / Double(q.size).squareRoot()),
      softcap: try attributes.float("softcap", default: 0), isCausal: try attributes.bool("is_causal"), isBool: isBool,
      maskBatch: maskStrides[0], maskHead: maskStrides[1], maskRow: maskStrides[2])
    let scratch = aligned(ck_attention_scratch_bytes(q.size, v.size))
    return PreparedKernel(AttentionKernel(settings, scratch: scratch), scratchBytes: max(64, scratch * request.threads))
  }
}

private final class AttentionKernel: Kernel, @unchecked Sendable {
  struct Settings {
    let batch: Int
    let q: AttentionKernels.Heads
    let k: AttentionKernels.Heads
    let v: AttentionKernels.Heads
    let past: Int
    let total: Int
    let keepsCache: Bool
    let isFlat: Bool
    let scale: Float
    let softcap: Float
    let isCausal: Bool
    let isBool: Bool
    let maskBatch: Int
    let maskHead: Int
    let maskRow: Int
  }

  private let s: Settings
  private let scratch: Int
  private let rowBlock: Int
  private let blocks: Int

  init(_ settings: Settings, scratch: Int) {
    s = settings
    self.scratch = scratch
    rowBlock = 64
    blocks = (settings.q.length + rowBlock - 1) / rowBlock
    super.init("attention")
  }

  override func run(_ call: KernelCall) {
    if s.keepsCache {
      parallel(call, phase: 0, count: s.batch * s.k.count, grain: max(1, 16384 / (s.total * s.k.size)))
    }
    let work = s.q.length * s.total * (s.q.size + s.v.size)
    parallel(call, phase: 1, count: s.batch * s.q.count * blocks, grain: max(1, blocks * 65536 / max(1, work)))
  }

  private func keep(
    _ call: KernelCall, _ item: Int, _ heads: AttentionKernels.Heads, past: Int, fresh: Int, output: Int
  ) {
    let target = call.output(output, Float.self) + item * s.total * heads.size
    if s.past > 0, let old = call.optional(past, Float.self) {
      memmove(target, old + item * s.past * heads.size, s.past * heads.size * 4)
    }
    let source = call.input(fresh, Float.self) + item / heads.count * heads.batch + item % heads.count * heads.head
    for row in 0..<heads.length {
      memcpy(target + (s.past + row) * heads.size, source + row * heads.row, heads.size * 4)
    }
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    if phase == 0 {
      for item in begin..<end {
        keep(call, item, s.k, past: 4, fresh: 1, output: 1)
        keep(call, item, s.v, past: 5, fresh: 2, output: 2)
      }
      return
    }
    for index in begin..<end {
      let block = index % blocks
      let head = index / blocks % s.q.count
      let b = index / blocks / s.q.count
      let pair = head / (s.q.count / s.k.count)
      var (mask, bias): (UnsafePointer<UInt8>?, UnsafePointer<Float>?) = (nil, nil)
      if call.inputCount > 3, let pointer = call.operands[3] {
        let offset = b * s.maskBatch + head * s.maskHead
        if s.isBool {
          mask = UnsafePointer(pointer.assumingMemoryBound(to: UInt8.self)) + offset
        } else {
          bias = UnsafePointer(pointer.assumingMemoryBound(to: Float.self)) + offset
        }
      }
      let k =
        s.keepsCache
        ? UnsafePointer(call.output(1, Float.self)) + (b * s.k.count + pair) * s.total * s.k.size
        : call.input(1, Float.self) + b * s.k.batch + pair * s.k.head
      let v =
        s.keepsCache
        ? UnsafePointer(call.output(2, Float.self)) + (b * s.v.count + pair) * s.total * s.v.size
        : call.input(2, Float.self) + b * s.v.batch + pair * s.v.head
      var a = ck_attention(
        q: call.input(0, Float.self) + b * s.q.batch + head * s.q.head, k: k, v: v, q_stride: s.q.row,
        k_stride: s.keepsCache ? s.k.size : s.k.row, v_stride: s.keepsCache ? s.v.size : s.v.row,
        out_stride: s.isFlat ? s.q.count * s.v.size : s.v.size, q_length: s.q.length, kv_length: s.total,
        head_size: s.q.size, v_head_size: s.v.size, scale: s.scale, softcap: s.softcap, bias: bias,
        bias_stride: s.maskRow, mask: mask, mask_stride: s.maskRow, causal: s.isCausal, causal_offset: s.past,
        window: 0,
        masked_value: 0)
      let out =
        call.output(0, Float.self)
        + (s.isFlat
          ? b * s.q.length * s.q.count * s.v.size + head * s.v.size : (b * s.q.count + head) * s.q.length * s.v.size)
      ck_attention_f32(
        out, &a, block * rowBlock, min(s.q.length, (block + 1) * rowBlock), call.scratch + thread * scratch)
    }
  }
}
