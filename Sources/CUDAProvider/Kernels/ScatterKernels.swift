import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// ScatterElements and ScatterND: the data copied, the updates over it; over the data's own memory only the updates.
enum ScatterKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "ScatterElements": { try elements($0) }, "Scatter": { try elements($0) }, "ScatterND": { try scatterND($0) },
  ]

  /// Updates that a thread joins one after the other, at most.
  private static let most = 1 << 14

  private static func reduction(_ request: CUDARequest) throws -> Int {
    let name = try request.attributes.string("reduction", default: "none")
    guard let index = ["none", "add", "mul", "max", "min"].firstIndex(of: name) else {
      throw Refusal("reduction \(name)")
    }
    return index
  }

  /// The macros that say what is moved or joined.
  private static func macros(_ type: DataType, _ width: Int, _ reduction: Int) throws -> [String: Int] {
    if reduction != 0, type.elementKind == nil || type == .bool || type.isFloat8 {
      throw Refusal("a reduction of \(type)")
    }
    return ["WIDTH": width, "REDUCTION": reduction, "ELEMENT": reduction == 0 ? 0 : Int(type.rawValue)]
  }

  private static func kernel(
    _ request: CUDARequest, _ name: String, _ macros: [String: Int], threads: Int, _ arguments: [Launch.Argument]
  ) throws -> PreparedKernel {
    let headers = ["elements.cuh", "division.cuh", "elementwise.cuh", "units.cuh"]
    let function = try Movement(context: request.context).function(name, "scatter.cu", macros, headers)
    let x = try ElementwiseKernels.needed(request, 0)
    let launches =
      threads == 0
      ? []
      : [Launch(function, grid: LaunchSize((threads + 255) / 256), block: LaunchSize(256), arguments.aligned)]
    // Where the updates are the data, they are read while the result is written.
    let isShared = request.node.inputs.dropFirst().contains { $0 == request.node.input(0) }
    return PreparedKernel(
      OverCopyKernel("scatter", byteCount: x.byteCount, LaunchKernel("scatter", launches)),
      inPlaceInputs: isShared ? [] : [0])
  }

  private static func elements(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, _, width) = try MoveKernels.operands(request)
    let (indices, updates) = (try ElementwiseKernels.needed(request, 1), try ElementwiseKernels.needed(request, 2))
    let axis = try MoveKernels.axis(request, 0, rank: x.rank)
    let reduction = try reduction(request)
    guard updates.type == x.type, updates.shape == indices.shape, updates.rank == x.rank, (1...8).contains(x.rank)
    else { throw Refusal("updates \(updates.shape) of \(x.shape)") }
    try Movement.check(x.count)
    try Movement.check(updates.count)
    var sizes = updates.shape
    let length = reduction == 0 ? 1 : sizes[axis]
    guard length <= most else { throw Refusal("\(length) updates to join in a line") }
    if reduction != 0 { sizes[axis] = min(1, sizes[axis]) }
    let lines = sizes.reduce(1, *)
    let steps = Tensor.strides(updates.shape)
    return try kernel(
      request, "scatter_elements",
      try macros(x.type, width, reduction).merging(["RANK": x.rank]) { $1 }, threads: lines,
      [
        .output(), .input(1), .int32(try GatherKernels.isWide(indices)), .int32(x.shape[axis]), .input(2),
        .int32(lines), .int32(length), .int32(steps[axis]), .int32(axis),
      ] + sizes.flatMap { IndexDivision(max(1, $0)).arguments } + steps.map { .int32($0) }
        + Tensor.strides(x.shape).map { .int32($0) })
  }

  private static func scatterND(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, _, width) = try MoveKernels.operands(request)
    let (indices, updates) = (try ElementwiseKernels.needed(request, 1), try ElementwiseKernels.needed(request, 2))
    let reduction = try reduction(request)
    guard let depth = indices.shape.last, (1...x.rank).contains(depth), updates.type == x.type,
      updates.shape == Array(indices.shape.dropLast()) + Array(x.shape[depth...])
    else { throw Refusal("updates \(updates.shape) of \(x.shape)") }
    try Movement.check(x.count)
    try Movement.check(updates.count)
    let bytes = x.shape[depth...].reduce(1, *) * width
    let unit = reduction == 0 ? GatherKernels.unit(bytes) : width
    let rows = indices.shape.dropLast().reduce(1, *)
    let inner = bytes / unit
    guard reduction == 0 || rows <= most else { throw Refusal("\(rows) updates to join") }
    let strides = Tensor.strides(x.shape).map { $0 * width / unit }
    let threads = reduction == 0 ? rows * inner : (rows == 0 ? 0 : inner)
    return try kernel(
      request, "scatter_nd",
      try macros(x.type, unit, reduction).merging(["DEPTH": depth]) { $1 }, threads: threads,
      [.output(), .input(1), .input(2), .int32(try GatherKernels.isWide(indices)), .int32(threads)]
        + IndexDivision(max(1, inner)).arguments + [.int32(reduction == 0 ? 1 : rows)]
        + x.shape[..<depth].map { .int32($0) } + strides[..<depth].map { .int32($0) })
  }
}

/// Input 0 copied to output 0, unless it lies there, and launches behind that.
private final class OverCopyKernel: Kernel, @unchecked Sendable {
  private let byteCount: Int
  private let launches: LaunchKernel

  init(_ name: String, byteCount: Int, _ launches: LaunchKernel) {
    self.byteCount = byteCount
    self.launches = launches
    super.init(name)
  }

  override func run(_ call: KernelCall) throws {
    if call.input(0) != UnsafeRawPointer(call.output()) {
      try call.queue.copy(call.input(0), to: call.output(), byteCount: byteCount)
    }
    try launches.run(call)
  }
}
