internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Reductions of float32 over neighbouring axes, global pooling, ArgMax and ArgMin.
enum ReduceKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "ReduceSum": { try make($0, CK_REDUCE_SUM) }, "ReduceMean": { try make($0, CK_REDUCE_MEAN) },
    "ReduceMax": { try make($0, CK_REDUCE_MAX) }, "ReduceMin": { try make($0, CK_REDUCE_MIN) },
    "ReduceSumSquare": { try make($0, CK_REDUCE_SUM_SQUARE) }, "ReduceL1": { try make($0, CK_REDUCE_L1) },
    "ReduceL2": { try make($0, CK_REDUCE_L2) }, "ReduceProd": { try make($0, CK_REDUCE_PROD) },
    "ReduceLogSum": { try make($0, CK_REDUCE_LOG_SUM) },
    "GlobalAveragePool": { try global($0, CK_REDUCE_MEAN) }, "GlobalMaxPool": { try global($0, CK_REDUCE_MAX) },
    "ArgMax": { try arg($0, minimum: false) }, "ArgMin": { try arg($0, minimum: true) },
  ]

  private static func kernel(_ operation: ck_reduce, outer: Int, reduce: Int, inner: Int) -> PreparedKernel {
    let op = Int32(operation.rawValue)
    // Parts of columns are whole cache lines, as many as the kernel sums at a time.
    let unit = inner == 1 ? 1 : min(inner, 64)
    let units = (inner + unit - 1) / unit
    return PreparedKernel(
      RangeKernel("reduce", count: outer * units, grain: max(1, 65536 / max(1, reduce * unit))) { call, begin, end, _ in
        // Where a unit begins among the results.
        func place(_ index: Int) -> Int { index / units * inner + index % units * unit }
        ck_reduce_f32(
          op, call.output(0, Float.self), call.input(0, Float.self), reduce, inner, place(begin), place(end))
      })
  }

  private static func make(_ request: KernelRequest, _ operation: ck_reduce) throws -> PreparedKernel {
    try request.requireFloat([0])
    let x = try request.operand(0)
    var axes = try request.constantInts(1) ?? request.attributes.optionalInts("axes") ?? []
    if axes.isEmpty {
      if try request.attributes.bool("noop_with_empty_axes") { throw Refusal("no axes") }
      axes = Array(0..<x.rank)
    }
    axes = Set(axes.map { $0 < 0 ? $0 + x.rank : $0 }).filter { x.shape.indices.contains($0) && x.shape[$0] != 1 }
      .sorted()
    if axes.isEmpty {
      guard
        operation == CK_REDUCE_SUM || operation == CK_REDUCE_MEAN || operation == CK_REDUCE_MAX
          || operation == CK_REDUCE_MIN
      else {
        throw Refusal("axes of extent 1 only")
      }
      return kernel(operation, outer: x.count, reduce: 1, inner: 1)
    }
    let (first, last) = (axes[0], axes[axes.count - 1])
    guard (first...last).allSatisfy({ axes.contains($0) || x.shape[$0] == 1 }) else {
      throw Refusal("axes that are no neighbours")
    }
    return kernel(
      operation, outer: product(x.shape[..<first]), reduce: product(x.shape[first...last]),
      inner: product(x.shape[(last + 1)...]))
  }

  private static func global(_ request: KernelRequest, _ operation: ck_reduce) throws -> PreparedKernel {
    try request.requireFloat()
    let x = try request.operand(0)
    return kernel(operation, outer: product(x.shape[..<2]), reduce: product(x.shape[2...]), inner: 1)
  }

  private static func arg(_ request: KernelRequest, minimum: Bool) throws -> PreparedKernel {
    let x = try request.operand(0)
    guard x.type == .float, x.rank > 0 else { throw Refusal("elements of \(x.type)") }
    let axis = try request.axis("axis", 0, rank: x.rank)
    let last = try request.attributes.bool("select_last_index")
    let (outer, reduce, inner) = (product(x.shape[..<axis]), x.shape[axis], product(x.shape[(axis + 1)...]))
    return PreparedKernel(
      RangeKernel("argmax", count: outer * inner, grain: max(1, 16384 / max(1, reduce))) { call, begin, end, _ in
        ck_argmax_f32(call.output(0, Int64.self), call.input(0, Float.self), reduce, inner, begin, end, minimum, last)
      })
  }
}
