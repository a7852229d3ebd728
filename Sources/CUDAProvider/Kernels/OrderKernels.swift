import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// ArgMax, ArgMin, TopK, CumSum and CumProd along an axis.
enum OrderKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "ArgMax": { try place($0, kind: 0) }, "ArgMin": { try place($0, kind: 1) }, "TopK": { try top($0) },
    "CumSum": { try cumulate($0, kind: 3) }, "CumProd": { try cumulate($0, kind: 4) },
  ]

  private static let files = ["elements.cuh", "rows.cuh", "order.cu"]

  /// [outer, n, inner] of a shape.
  private struct Lines {
    let n: Int
    let inner: Int
    let count: Int

    init(_ shape: [Int], axis: Int) throws {
      n = shape.isEmpty ? 1 : shape[axis]
      inner = product(shape.dropFirst(axis + 1))
      count = product(shape.prefix(axis)) * inner
      guard n > 0, n < 1 << 30, count < 1 << 31 else { throw Refusal("the shape \(shape)") }
    }
  }

  private static func function(_ request: CUDARequest, _ name: String, kind: Int, vector: Int = 1, sharedBytes: Int = 0)
    throws -> CUDAFunction
  {
    let x = try request.operand(0)
    guard x.type.isNumber else { throw Refusal("elements of \(x.type)") }
    let result = kind < 2 ? x.type : request.output(0)?.type ?? x.type
    guard result == x.type || result.isSmallFloat && x.type.isSmallFloat else {
      throw Refusal("\(x.type) to \(result)")
    }
    return try request.function(
      name, in: files, macros: ["X": x.type.code, "Y": result.code, "KIND": kind, "VEC": vector],
      sharedBytes: sharedBytes)
  }

  private static func place(_ request: CUDARequest, kind: Int) throws -> PreparedKernel {
    let x = try request.operand(0)
    let lines = try Lines(x.shape, axis: x.rank == 0 ? 0 : try request.axis("axis", default: 0, rank: x.rank))
    let last = try request.attributes.bool("select_last_index") ? 1 : 0
    let launch: Launch
    if lines.inner == 1 {
      let isLong = lines.n > 2048
      launch = Launch(
        try function(request, "arg_rows", kind: kind, vector: RowForm.vector([x.type], dividing: [lines.n])),
        grid: LaunchSize(isLong ? lines.count : parts(lines.count, of: 4)),
        block: isLong ? LaunchSize(1024) : LaunchSize(32, 4),
        [.input(0), .output(), .int32(lines.n), .int64(lines.count), .int32(last)])
    } else {
      launch = Launch(
        try function(request, "arg_strided", kind: kind), grid: LaunchSize(parts(lines.count, of: 128)),
        block: LaunchSize(128),
        [.input(0), .output(), .int32(lines.n), .int64(lines.count), .int64(lines.inner), .int32(last)])
    }
    return PreparedKernel(LaunchKernel(kind == 0 ? "argmax" : "argmin", [launch]))
  }

  private static func top(_ request: CUDARequest) throws -> PreparedKernel {
    let x = try request.operand(0)
    guard x.rank > 0, let k = try request.listed(1)?.first else { throw Refusal("a scalar") }
    let lines = try Lines(x.shape, axis: try request.axis("axis", default: -1, rank: x.rank))
    guard k > 0, k <= lines.n else { throw Refusal("\(k) of \(lines.n)") }
    // Keys and places of all elements where there are few, else of those that were selected.
    let capacity = max(64, Self.power(lines.n <= 4096 ? lines.n : k))
    guard capacity <= 8192 else { throw Refusal("\(k) elements, more than 8192") }
    let width = x.type.bytes == 8 ? 8 : 4
    let shared = capacity * (width + 4)
    let largest = try request.attributes.int("largest", default: 1) != 0
    let launch = Launch(
      try function(request, "top_k", kind: 2, sharedBytes: shared), grid: LaunchSize(lines.count),
      block: LaunchSize(lines.n > capacity ? 1024 : min(1024, max(32, capacity / 2))), sharedBytes: shared,
      [
        .input(0), request.output(0) == nil ? .null : .output(0), request.output(1) == nil ? .null : .output(1),
        .int32(lines.n), .int64(lines.inner), .int32(k), .int32(capacity), .int32(largest ? 1 : 0),
      ])
    return PreparedKernel(LaunchKernel("topk", [launch]), unreadInputs: [1])
  }

  private static func power(_ value: Int) -> Int {
    var power = 1
    while power < value { power *= 2 }
    return power
  }

  private static func cumulate(_ request: CUDARequest, kind: Int) throws -> PreparedKernel {
    let x = try request.operand(0)
    guard x.rank > 0, let axis = try request.listed(1)?.first else { throw Refusal("a scalar") }
    let lines = try Lines(x.shape, axis: try request.place(axis, rank: x.rank))
    let flags: [Launch.Argument] = [
      .int32(try request.attributes.bool("exclusive") ? 1 : 0), .int32(try request.attributes.bool("reverse") ? 1 : 0),
    ]
    let launch: Launch
    if lines.inner == 1 {
      launch = Launch(
        try function(request, "cumulate_rows", kind: kind), grid: LaunchSize(lines.count),
        block: LaunchSize(min(1024, parts(lines.n, of: 128) * 32)), [.input(0), .output(), .int32(lines.n)] + flags)
    } else {
      launch = Launch(
        try function(request, "cumulate_strided", kind: kind), grid: LaunchSize(parts(lines.count, of: 128)),
        block: LaunchSize(128),
        [.input(0), .output(), .int32(lines.n), .int64(lines.count), .int64(lines.inner)] + flags)
    }
    return PreparedKernel(LaunchKernel("cumulate", [launch]), unreadInputs: [1])
  }
}
