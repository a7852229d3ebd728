internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Attention as flash attention: tiles of queries and keys with an online softmax, so that the scores are never stored.
///
/// All forms of the operator in float32, float16 and bfloat16 (sums in float32 whatever softmax_precision says, results
/// rounded once), but for output 3, the scores themselves, which the portable evaluation gives. Where the session computes
/// products in bfloat16 and the processor has instructions for it, Q, K, V and the softmax's weights are rounded to that.
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

  /// Whether a value of a session with products in bfloat16 may lie so in memory.
  private static func isStored(_ type: DataType) -> Bool { type == .float || type == .bfloat16 }

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
    let result = try request.result().type
    guard result == input.type || request.usesBfloat16 && isStored(result) && isStored(input.type) else {
      throw Refusal("the result is \(result)")
    }
    for (index, heads) in [(1, k), (2, v)] {
      guard request.output(index).map({ $0.type == heads.type }) ?? true else {
        throw Refusal("output \(index) has another type than input \(index)")
      }
    }
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
      types: [try element(q.type, "Q"), try element(k.type, "K"), try element(v.type, "V")],
      result: try element(result, "Y"), resultWidth: result == .float ? 4 : 2, threads: request.threads,
      usesBfloat16: request.usesBfloat16)
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
