internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Attention as flash attention: tiles of queries and keys with an online softmax, so that the scores are never stored.
///
/// All forms of the operator in float32, float16 and bfloat16 (sums in float32 whatever softmax_precision says, results
/// rounded once), but for output 3, the scores themselves, which the portable evaluation gives.
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
    let type: DataType

    init(_ operand: Operand, heads: Int?) throws {
      type = operand.type
      if operand.rank == 4 {
        (count, length, size) = (operand.shape[1], operand.shape[2], operand.shape[3])
        (batch, head, row) = (count * length * size, length * size, size)
      } else {
        guard operand.rank == 3, let heads, heads > 0, operand.shape[2] % heads == 0 else {
          throw Refusal("an operand of the shape \(operand.shape) with the attribute for its heads at \(heads ?? 0)")
        }
        (count, length, size) = (heads, operand.shape[1], operand.shape[2] / heads)
        (batch, head, row) = (length * heads * size, size, heads * size)
      }
      guard operand.shape[0] > 0, count > 0, size > 0 else { throw Refusal("an empty operand \(operand.shape)") }
    }

    var width: Int { type == .float ? 4 : 2 }
  }

  /// The mask's strides over batch, heads and queries, and how many keys it covers.
  struct Mask {
    let type: ck_attention_type
    let strides: [Int]
    let covered: Int
    let width: Int
  }

  /// What takes part beside the mask.
  struct Limits {
    let left: Int
    let right: Int
    /// Lengths are given for each batch item, at run time.
    let hasLengths: Bool
  }

  static func element(_ type: DataType, _ what: String) throws -> ck_attention_type {
    switch type {
    case .float: CK_ATTENTION_F32
    case .float16: CK_ATTENTION_F16
    case .bfloat16: CK_ATTENTION_BF16
    case .bool where what == "attn_mask": CK_ATTENTION_BOOL
    default: throw Refusal("\(what) is \(type)")
    }
  }

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    let attributes = request.attributes
    guard request.output(3) == nil else {
      throw Refusal("qk_matmul_output is asked for, and flash attention never has all scores")
    }
    let input = try request.operand(0)
    let keyHeads = try attributes.optionalInt("kv_num_heads")
    let q = try Heads(input, heads: try attributes.optionalInt("q_num_heads"))
    let k = try Heads(try request.operand(1), heads: keyHeads)
    let v = try Heads(try request.operand(2), heads: keyHeads)
    guard k.size == q.size, k.count == v.count, k.length == v.length, q.count % k.count == 0,
      try request.operand(1).shape[0] == input.shape[0], try request.operand(2).shape[0] == input.shape[0]
    else { throw Refusal("operands that do not fit in batch, heads, lengths or head size") }
    guard try request.result().type == input.type else { throw Refusal("the result is \(try request.result().type)") }
    let past = try cache(request, batch: input.shape[0], k, v)
    let total = past + k.length
    let settings = AttentionKernel.Settings(
      batch: input.shape[0], q: q, k: k, v: v, past: past, total: total,
      keeps: [request.output(1) != nil, request.output(2) != nil],
      pastRows: [4, 5].map { request.input($0)?.room ?? past },
      presentRows: [1, 2].map { request.output($0)?.room ?? total }, isFlat: input.rank == 3,
      scale: try attributes.optionalFloat("scale") ?? Float(1 / Double(q.size).squareRoot()),
      softcap: try attributes.float("softcap", default: 0), limits: try limits(request, batch: input.shape[0]),
      mask: try mask(request, [input.shape[0], q.count, q.length, total]),
      types: [try element(q.type, "Q"), try element(k.type, "K"), try element(v.type, "V")])
    _ = try attributes.dataType("softmax_precision")
    let kernel = AttentionKernel(settings)
    return PreparedKernel(
      kernel, scratchBytes: kernel.partialBytes + kernel.tileBytes * request.threads, copiedBytes: kernel.copiedBytes,
      heedsRoom: [0, 1, 2, 3].allSatisfy { request.input($0)?.room == nil } && request.output(0)?.room == nil)
  }

  /// The length of the cache.
  private static func cache(_ request: KernelRequest, batch: Int, _ k: Heads, _ v: Heads) throws -> Int {
    guard let key = request.input(4), let value = request.input(5) else {
      guard request.input(4) == nil, request.input(5) == nil else { throw Refusal("half a cache") }
      return 0
    }
    guard key.rank == 4, value.rank == 4, key.type == k.type, value.type == v.type,
      key.shape == [batch, k.count, key.shape[2], k.size], value.shape == [batch, v.count, key.shape[2], v.size]
    else {
      throw Refusal("a cache \(key.type)\(key.shape) and \(value.type)\(value.shape)")
    }
    return key.shape[2]
  }

  private static func limits(_ request: KernelRequest, batch: Int) throws -> Limits {
    let left = try request.attributes.int("left_window_size", default: -1)
    let right = try request.attributes.int("right_window_size", default: -1)
    guard left >= -1, right >= -1 else { throw Refusal("a window of \(left) and \(right) keys") }
    if let lengths = request.input(6) {
      guard lengths.type == .int64, lengths.count == batch, request.input(4) == nil else {
        throw Refusal("nonpad_kv_seqlen \(lengths.type)\(lengths.shape) for a batch of \(batch), or beside a cache")
      }
    }
    return Limits(
      left: left, right: try request.attributes.bool("is_causal") ? 0 : right, hasLengths: request.input(6) != nil)
  }

  private static func mask(_ request: KernelRequest, _ scores: [Int]) throws -> Mask? {
    guard let mask = request.input(3) else { return nil }
    guard let covered = mask.shape.last, mask.rank <= 4, covered <= scores[3], mask.count > 0 else {
      throw Refusal("a mask \(mask.type)\(mask.shape) for scores \(scores)")
    }
    let target = [scores[0], scores[1], scores[2], covered]
    try request.requireBroadcast(mask, to: target)
    return Mask(
      type: try element(mask.type, "attn_mask"), strides: Broadcast.strides(of: mask.shape, to: target),
      covered: covered,
      width: mask.type.bitWidth / 8)
  }
}

/// One step is a head of K and V, a block of the query rows that read it (all heads of the group are rows), and a part of
/// the keys where there are few such blocks and many keys. How it is split depends on the shapes and lengths alone.
private final class AttentionKernel: Kernel, @unchecked Sendable {
  struct Settings {
    let batch: Int
    let q: AttentionKernels.Heads
    let k: AttentionKernels.Heads
    let v: AttentionKernels.Heads
    let past: Int
    let total: Int
    /// Whether present_key and present_value are asked for.
    let keeps: [Bool]
    /// Rows from one head to the next in the caches of K and V: their lengths, or what there is room for.
    let pastRows: [Int]
    let presentRows: [Int]
    let isFlat: Bool
    let scale: Float
    let softcap: Float
    let limits: AttentionKernels.Limits
    let mask: AttentionKernels.Mask?
    /// Of Q, K and V.
    let types: [ck_attention_type]
  }

  let tileBytes: Int
  let partialBytes: Int
  private let s: Settings
  private let group: Int
  private let rows: Int
  private let rowBlock: Int
  private let blocks: Int
  private let splits: Int

  init(_ settings: Settings) {
    s = settings
    tileBytes = aligned(ck_attention_scratch_bytes(s.q.size, s.v.size))
    group = s.q.count / s.k.count
    rows = group * s.q.length
    rowBlock = ck_attention_row_block(s.q.size, s.v.size)
    blocks = (rows + rowBlock - 1) / rowBlock
    // Sixteen steps keep the usual number of threads busy; a part has 512 keys or more, partial results 64 KiB at most.
    let units = s.batch * s.k.count * blocks
    let bytes = s.batch * s.k.count * rows * (s.v.size + 2) * 4
    splits = max(1, min(s.total / 512, (15 + units) / units, 65536 / bytes))
    partialBytes = splits > 1 ? aligned(splits * bytes) : 0
    super.init("flash")
  }

  override func run(_ call: KernelCall) throws {
    if s.limits.hasLengths {
      for b in 0..<s.batch {
        let length = length(call, b)
        guard length >= 0, length <= s.total else {
          throw CameoError.badInput("input 6 (nonpad_kv_seqlen) holds \(length), 0 to \(s.total) was expected")
        }
      }
    }
    if s.keeps[0] || s.keeps[1] {
      parallel(call, phase: 0, count: s.batch * s.k.count, grain: max(1, 16384 / max(1, s.total * s.k.size)))
    }
    let work = min(rows, rowBlock) * s.total * (s.q.size + s.v.size) / splits
    parallel(call, phase: 1, count: s.batch * s.k.count * blocks * splits, grain: max(1, 262_144 / max(1, work)))
    if splits > 1 { parallel(call, phase: 2, count: s.batch * s.k.count, grain: 16) }
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    switch phase {
    case 0:
      for item in begin..<end {
        if s.keeps[0] { keep(call, item, s.k, 0) }
        if s.keeps[1] { keep(call, item, s.v, 1) }
      }
    case 1:
      for index in begin..<end { step(call, index, call.scratch + partialBytes + thread * tileBytes) }
    default:
      for item in begin..<end {
        var a = operands(call, item)
        ck_attention_merge(
          &a, 0, rows, partial(call, item, 0), splits, rows * (s.v.size + 2),
          call.scratch + partialBytes + thread * tileBytes)
      }
    }
  }

  private func step(_ call: KernelCall, _ index: Int, _ scratch: UnsafeMutableRawPointer) {
    let (block, split, item) = (index / splits % blocks, index % splits, index / splits / blocks)
    var a = operands(call, item)
    let (first, last) = (block * rowBlock, min(rows, (block + 1) * rowBlock))
    guard splits > 1 else { return ck_attention_rows(&a, first, last, scratch) }
    // Parts of whole tiles of the keys that there are.
    let span = (Int(a.valid) / splits / 96 + 1) * 96
    ck_attention_partial(
      &a, first, last, split * span, (split + 1) * span, partial(call, item, split) + first * (s.v.size + 2), scratch)
  }

  private func partial(_ call: KernelCall, _ item: Int, _ split: Int) -> UnsafeMutablePointer<Float> {
    call.scratch.assumingMemoryBound(to: Float.self) + (item * splits + split) * rows * (s.v.size + 2)
  }

  private func length(_ call: KernelCall, _ batch: Int) -> Int {
    s.limits.hasLengths ? Int(call.input(6).loadUnaligned(fromByteOffset: batch * 8, as: Int64.self)) : s.total
  }

  private func given(_ call: KernelCall, _ index: Int) -> UnsafeRawPointer? {
    index < call.inputCount ? UnsafeRawPointer(call.operands[index]) : nil
  }

  /// Bytes that a run moves to present_key and present_value; those of a cache in place stay where they are.
  var copiedBytes: Int {
    var sum = 0
    for (which, heads) in [s.k, s.v].enumerated() where s.keeps[which] {
      let isInPlace = s.pastRows[which] > s.past && s.pastRows[which] == s.presentRows[which]
      sum += s.batch * heads.count * (heads.length + (isInPlace ? 0 : s.past)) * heads.size * heads.width
    }
    return sum
  }

  /// Head `item` of K (0) or V (1) in present_key or present_value. Where that is the past's own memory, the past stays.
  private func keep(_ call: KernelCall, _ item: Int, _ heads: AttentionKernels.Heads, _ which: Int) {
    let line = heads.size * heads.width
    let target = call.output(1 + which) + item * s.presentRows[which] * line
    if s.past > 0, let old = given(call, 4 + which) {
      let source = old + item * s.pastRows[which] * line
      if source != UnsafeRawPointer(target) { memmove(target, source, s.past * line) }
    }
    guard heads.length > 0, let new = given(call, 1 + which) else { return }
    let source = new + (item / heads.count * heads.batch + item % heads.count * heads.head) * heads.width
    if heads.row == heads.size {
      memcpy(target + s.past * line, source, heads.length * line)
    } else {
      for row in 0..<heads.length {
        memcpy(target + (s.past + row) * line, source + row * heads.row * heads.width, line)
      }
    }
  }

  /// Keys and values of head `item`, as they are given or, where both are kept, in the outputs.
  private func parts(_ call: KernelCall, _ item: Int) -> (ck_attention_keys, ck_attention_keys) {
    let (b, head) = (item / s.k.count, item % s.k.count)
    let (keyLine, valueLine) = (s.k.size * s.k.width, s.v.size * s.v.width)
    if s.keeps[0] && s.keeps[1] {
      return (
        ck_attention_keys(),
        ck_attention_keys(
          k: call.output(1) + item * s.presentRows[0] * keyLine,
          v: call.output(2) + item * s.presentRows[1] * valueLine, k_row: s.k.size, v_row: s.v.size, length: s.total)
      )
    }
    let old = ck_attention_keys(
      k: given(call, 4).map { $0 + item * s.pastRows[0] * keyLine },
      v: given(call, 5).map { $0 + item * s.pastRows[1] * valueLine }, k_row: s.k.size, v_row: s.v.size, length: s.past)
    let new = ck_attention_keys(
      k: given(call, 1).map { $0 + (b * s.k.batch + head * s.k.head) * s.k.width },
      v: given(call, 2).map { $0 + (b * s.v.batch + head * s.v.head) * s.v.width }, k_row: s.k.row, v_row: s.v.row,
      length: s.k.length)
    return (old, new)
  }

  private func operands(_ call: KernelCall, _ item: Int) -> ck_attention {
    let (b, head) = (item / s.k.count, item % s.k.count * group)
    let valid = length(call, b)
    let out =
      s.isFlat
      ? b * s.q.length * s.q.count * s.v.size + head * s.v.size : (b * s.q.count + head) * s.q.length * s.v.size
    var a = ck_attention(
      q: call.input(0) + (b * s.q.batch + head * s.q.head) * s.q.width, q_row: s.q.row, q_head: s.q.head,
      q_length: s.q.length, group: group, part: parts(call, item), out: call.output(0) + out * s.q.width,
      out_row: s.isFlat ? s.q.count * s.v.size : s.v.size, out_head: s.isFlat ? s.v.size : s.q.length * s.v.size,
      head_size: s.q.size, v_head_size: s.v.size, q_type: s.types[0], k_type: s.types[1], v_type: s.types[2],
      out_type: s.types[0], mask_type: CK_ATTENTION_F32, scale: s.scale, softcap: s.softcap, mask: nil, mask_row: 0,
      mask_head: 0, covered: 0, offset: s.limits.hasLengths ? valid - s.q.length : s.past, left: s.limits.left,
      right: s.limits.right, valid: valid, masked_value: 0)
    if let mask = s.mask, let pointer = given(call, 3) {
      a.mask = pointer + (b * mask.strides[0] + head * mask.strides[1]) * mask.width
      (a.mask_type, a.mask_head, a.mask_row, a.covered) = (mask.type, mask.strides[1], mask.strides[2], mask.covered)
    }
    return a
  }
}
