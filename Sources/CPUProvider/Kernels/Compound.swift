internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

#if canImport(Glibc)
  import Glibc
#endif

/// Float32 kernels that are made of others piece by piece, so that what is between stays in cache.
enum CompoundKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "SwiGLU": { try swiglu($0) }, "LpNormalization": { try normalize($0) },
    "ReduceLogSumExp": { try logSumExp($0) },
  ]

  /// Elements handled before the next function runs over them.
  private static let piece = 4096

  private static func swiglu(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloatInputs()
    let count = try request.result().count
    guard try request.operand(0).count == count, try request.operand(1).count == count else {
      throw Refusal("operands of several shapes")
    }
    let alpha = try request.attributes.float("alpha", default: 1)
    let isRounded = try request.result().type == .bfloat16
    let scratch = isRounded ? piece * 4 : 0
    let kernel = RangeKernel("swiglu", count: count, grain: 8192) { call, begin, end, thread in
      var at = begin
      while at < end {
        let size = min(piece, end - at)
        let out =
          isRounded
          ? (call.scratch + thread * scratch).assumingMemoryBound(to: Float.self) : call.output(0, Float.self) + at
        ck_unary_f32(Int32(CK_UNARY_SILU.rawValue), out, call.input(0, Float.self) + at, size, alpha, 0)
        ck_binary_span_f32(
          Int32(CK_BINARY_MUL.rawValue), out, UnsafePointer(out), 1, call.input(1, Float.self) + at, 1, size, nil)
        if isRounded { ck_bf16_rows(call.output(0, UInt16.self) + at, size, size, out, size, 1, size, 0, 1) }
        at += size
      }
    }
    return PreparedKernel(kernel, scratchBytes: scratch * request.threads, inPlaceInputs: isRounded ? [] : [0])
  }

  /// x over its norm along the last axis; 0 where the norm is 0.
  private static func normalize(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat()
    let x = try request.operand(0)
    guard x.rank > 0, try request.axis("axis", -1, rank: x.rank) == x.rank - 1 else { throw Refusal("an inner axis") }
    let n = x.shape[x.rank - 1]
    let op = Int32((try request.attributes.int("p", default: 2) == 1 ? CK_REDUCE_L1 : CK_REDUCE_L2).rawValue)
    let kernel = RangeKernel("lpnorm", count: x.count / n, grain: max(1, 16384 / n)) { call, begin, end, _ in
      for row in begin..<end {
        let input = call.input(0, Float.self) + row * n
        let out = call.output(0, Float.self) + row * n
        var norm: Float = 0
        ck_reduce_f32(op, &norm, input, n, 1, 0, 1)
        if norm == 0 {
          for index in 0..<n { out[index] = 0 }
        } else {
          ck_binary_span_f32(Int32(CK_BINARY_DIV.rawValue), out, input, 1, &norm, 0, n, nil)
        }
      }
    }
    return PreparedKernel(kernel, inPlaceInputs: [0])
  }

  /// m + log(sum(exp(x - m))) over the last axes, m their largest element.
  private static func logSumExp(_ request: KernelRequest) throws -> PreparedKernel {
    try request.requireFloat([0])
    let x = try request.operand(0)
    let listed = try request.constantInts(1) ?? request.attributes.optionalInts("axes") ?? []
    if listed.isEmpty, try request.attributes.bool("noop_with_empty_axes") { throw Refusal("no axes") }
    let axes = listed.isEmpty ? Array(0..<x.rank) : Set(listed.map { $0 < 0 ? $0 + x.rank : $0 }).sorted()
    guard axes == Array((x.rank - axes.count)..<x.rank), !axes.isEmpty else { throw Refusal("inner axes") }
    let n = product(axes.map { x.shape[$0] })
    let kernel = RangeKernel("logsumexp", count: x.count / n, grain: max(1, 8192 / n)) { call, begin, end, _ in
      // 1 KiB: on the stack.
      withUnsafeTemporaryAllocation(of: Float.self, capacity: 256) { buffer in
        guard let scratch = buffer.baseAddress else { return }
        for row in begin..<end {
          call.output(0, Float.self)[row] = logSumExp(call.input(0, Float.self) + row * n, n, scratch)
        }
      }
    }
    return PreparedKernel(kernel)
  }

  private static func logSumExp(_ x: UnsafePointer<Float>, _ n: Int, _ scratch: UnsafeMutablePointer<Float>) -> Float {
    var largest: Float = 0
    ck_reduce_f32(Int32(CK_REDUCE_MAX.rawValue), &largest, x, n, 1, 0, 1)
    // Infinite or NaN: the largest element is the result.
    guard largest.isFinite else { return largest }
    var total = 0.0
    var at = 0
    while at < n {
      let size = min(256, n - at)
      ck_unary_f32(Int32(CK_UNARY_AFFINE.rawValue), scratch, x + at, size, 1, -largest)
      ck_unary_f32(Int32(CK_UNARY_EXP.rawValue), scratch, UnsafePointer(scratch), size, 0, 0)
      var sum: Float = 0
      ck_reduce_f32(Int32(CK_REDUCE_SUM.rawValue), &sum, UnsafePointer(scratch), size, 1, 0, 1)
      total += Double(sum)
      at += size
    }
    return largest + Float(log(total))
  }
}
