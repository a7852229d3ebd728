internal import CKernels
import InferenceRuntime
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One step is a head of K and V, a block of the query rows that read it (all heads of the group are rows), and a part of
/// the keys where there are few such blocks and many keys. How the keys are split depends on shapes and lengths alone; how
/// the rows are split changes no bits.
final class AttentionKernel: Kernel, @unchecked Sendable {
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
    let result: ck_attention_type
    let resultWidth: Int
    let threads: Int
    let usesBfloat16: Bool
  }

  let tileBytes: Int
  let partialBytes: Int
  private let s: Settings
  private let group: Int
  private let rows: Int
  private let rowBlock: Int
  private let blocks: Int
  private let splits: Int
  private let isBfloat16: Bool
  /// One step alone reads a head's part of the keys: it copies them to the cache, and then has them at hand.
  private var keepsInStep: Bool { blocks == 1 }
  /// Keys of a tile.
  private var tile: Int { isBfloat16 ? 128 : 96 }

  init(_ settings: Settings) {
    s = settings
    group = s.q.count / s.k.count
    rows = group * s.q.length
    let units = s.batch * s.k.count
    let form = s.usesBfloat16 ? ck_attention_bf16_kernel(rows, s.types[0], s.types[1], s.types[2]) : 0
    isBfloat16 = form != Int32(CK_BF16_WIDENED.rawValue)
    tileBytes = aligned(
      isBfloat16
        ? ck_attention_bf16_scratch_bytes(s.q.size, s.v.size) : ck_attention_scratch_bytes(s.q.size, s.v.size))
    // Sixteen steps keep the usual number of threads busy; a part has 512 keys or more, partial results 64 KiB at most.
    let most = isBfloat16 ? ck_attention_bf16_row_block(s.q.size, s.v.size) : ck_attention_row_block(s.q.size, s.v.size)
    let small = min(64, most)
    let steps = units * ((rows + small - 1) / small)
    let bytes = units * rows * (s.v.size + 2) * 4
    splits = max(1, min(s.total / 512, (15 + steps) / steps, 65536 / bytes))
    partialBytes = splits > 1 ? aligned(splits * bytes) : 0
    // Keys are packed once for a block: as large a one as leaves each thread six of them. Results do not depend on it.
    var block = splits > 1 ? small : most
    while block > small && units * ((rows + block - 1) / block) < 6 * s.threads { block /= 2 }
    let count = (rows + block - 1) / block
    rowBlock = isBfloat16 ? min(block, ((rows + count - 1) / count + 31) / 32 * 32) : block
    blocks = (rows + rowBlock - 1) / rowBlock
    super.init(isBfloat16 ? "flash (\(form == Int32(CK_BF16_AMX.rawValue) ? "amx" : "avx512")-bf16)" : "flash")
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
    if !keepsInStep && (s.keeps[0] || s.keeps[1]) {
      // K's heads, then V's: twice as many parts as heads, of which there may be three for two threads.
      parallel(call, phase: 0, count: 2 * s.batch * s.k.count, grain: max(1, 16384 / max(1, s.total * s.k.size)))
    }
    // 32 KiB of keys and values are worth a thread, or that many multiplications.
    let work = min(rows, rowBlock) * s.total * (s.q.size + s.v.size) / splits
    let bytes = s.total * (s.k.size * s.k.width + s.v.size * s.v.width) / splits
    parallel(
      call, phase: 1, count: s.batch * s.k.count * blocks * splits,
      grain: max(1, min((isBfloat16 ? 1 << 20 : 1 << 18) / max(1, work), (1 << 15) / max(1, bytes))))
    if splits > 1 { parallel(call, phase: 2, count: s.batch * s.k.count, grain: 16) }
  }

  override func part(_ call: KernelCall, phase: Int, begin: Int, end: Int, thread: Int) {
    switch phase {
    case 0:
      let heads = s.batch * s.k.count
      for item in begin..<end { keep(call, item % heads, item / heads, 0..<s.total) }
    case 1:
      for index in begin..<end { step(call, index, call.scratch + partialBytes + thread * tileBytes) }
    default:
      for item in begin..<end {
        var a = operands(call, item)
        ck_attention_merge(
          &a, 0, rows, partial(call, item, 0), splits, rows * (s.v.size + 2))
      }
    }
  }

  private func step(_ call: KernelCall, _ index: Int, _ scratch: UnsafeMutableRawPointer) {
    let (block, split, item) = (index / splits % blocks, index % splits, index / splits / blocks)
    var a = operands(call, item)
    let (first, last) = (block * rowBlock, min(rows, (block + 1) * rowBlock))
    guard splits > 1 else {
      if keepsInStep { keep(call, item, 0..<s.total) }
      return isBfloat16
        ? ck_attention_bf16_rows(&a, first, last, scratch) : ck_attention_rows(&a, first, last, scratch)
    }
    // Parts of whole tiles of the keys that there are.
    let span = (Int(a.valid) / splits / tile + 1) * tile
    let (begin, end) = (split * span, (split + 1) * span)
    if keepsInStep { keep(call, item, min(begin, s.total)..<(split == splits - 1 ? s.total : min(end, s.total))) }
    let target = partial(call, item, split) + first * (s.v.size + 2)
    if isBfloat16 {
      ck_attention_bf16_partial(&a, first, last, begin, end, target, scratch)
    } else {
      ck_attention_partial(&a, first, last, begin, end, target, scratch)
    }
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

  private func keep(_ call: KernelCall, _ item: Int, _ range: Range<Int>) {
    for which in 0..<2 { keep(call, item, which, range) }
  }

  /// Rows `range` of head `item` of K (0) or V (1) in present_key or present_value. Where that is the past's own memory, the past stays.
  private func keep(_ call: KernelCall, _ item: Int, _ which: Int, _ range: Range<Int>) {
    guard s.keeps[which] else { return }
    let heads = which == 0 ? s.k : s.v
    let line = heads.size * heads.width
    let target = call.output(1 + which) + item * s.presentRows[which] * line
    let old = range.clamped(to: 0..<s.past)
    if !old.isEmpty, let source = given(call, 4 + which).map({ $0 + item * s.pastRows[which] * line }),
      source != UnsafeRawPointer(target)
    {
      memmove(target + old.lowerBound * line, source + old.lowerBound * line, old.count * line)
    }
    let added = range.clamped(to: s.past..<s.total)
    guard !added.isEmpty, let new = given(call, 1 + which) else { return }
    let source = new + (item / heads.count * heads.batch + item % heads.count * heads.head) * heads.width
    if heads.row == heads.size {
      memcpy(target + added.lowerBound * line, source + (added.lowerBound - s.past) * line, added.count * line)
    } else {
      for row in added { memcpy(target + row * line, source + (row - s.past) * heads.row * heads.width, line) }
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
      q_length: s.q.length, group: group, part: parts(call, item), out: call.output(0) + out * s.resultWidth,
      out_row: s.isFlat ? s.q.count * s.v.size : s.v.size, out_head: s.isFlat ? s.v.size : s.q.length * s.v.size,
      head_size: s.q.size, v_head_size: s.v.size, q_type: s.types[0], k_type: s.types[1], v_type: s.types[2],
      out_type: s.result, mask_type: CK_ATTENTION_F32, scale: s.scale, softcap: s.softcap, mask: nil, mask_row: 0,
      mask_head: 0, covered: 0, offset: s.limits.hasLengths ? valid - s.q.length : s.past, left: s.limits.left,
      right: s.limits.right, valid: valid, masked_value: 0)
    if let mask = s.mask, let pointer = given(call, 3) {
      a.mask = pointer + (b * mask.strides[0] + head * mask.strides[1]) * mask.width
      (a.mask_type, a.mask_head, a.mask_row, a.covered) = (mask.type, mask.strides[1], mask.strides[2], mask.covered)
    }
    return a
  }
}
