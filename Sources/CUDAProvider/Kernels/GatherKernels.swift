import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Gather, GatherElements, GatherND and ReverseSequence. An index outside its axis takes the nearest element: nothing on the device can
/// report it.
enum GatherKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "Gather": { try gather($0) }, "GatherElements": { try elements($0) }, "GatherND": { try gatherND($0) },
    "ReverseSequence": { try reverse($0) },
  ]

  /// 1 for int64, 0 for int32.
  static func isWide(_ indices: Operand) throws -> Int {
    guard indices.type == .int64 || indices.type == .int32 else { throw Refusal("indices of \(indices.type)") }
    return indices.type == .int64 ? 1 : 0
  }

  /// Units of as many bytes as `bytes` is a multiple of, 16 at most.
  static func unit(_ bytes: Int) -> Int { min(16, bytes & -bytes) }

  private static func launch(
    _ request: CUDARequest, _ name: String, _ macros: [String: Int], count: Int,
    _ arguments: [Launch.Argument]
  ) throws -> PreparedKernel {
    try Movement.check(count)
    let movement = Movement(context: request.context)
    let units = name == "gather" ? movement.units(count) : 1
    let function = try movement.function(name, "gather.cu", macros.merging(["UNITS": units]) { $1 })
    return PreparedKernel(
      LaunchKernel(
        "gather",
        [
          Launch(
            function, grid: LaunchSize(movement.blocks(count, units)), block: LaunchSize(256), arguments.aligned)
        ]))
  }

  private static func gather(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, width) = try MoveKernels.operands(request)
    let indices = try ElementwiseKernels.needed(request, 1)
    let axis = try MoveKernels.axis(request, 0, rank: x.rank)
    try Movement.check(x.count)
    let bytes = x.shape[(axis + 1)...].reduce(1, *) * width
    let unit = unit(bytes)
    let count = y.byteCount / unit
    guard x.shape[axis] > 0 else { throw Refusal("an empty axis") }
    return try launch(
      request, "gather", ["WIDTH": unit], count: count,
      [.input(0), .output(), .input(1), .int32(try isWide(indices)), .int32(x.shape[axis]), .int32(count)]
        + IndexDivision(bytes / unit).arguments + IndexDivision(indices.count).arguments)
  }

  private static func elements(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, width) = try MoveKernels.operands(request)
    let indices = try ElementwiseKernels.needed(request, 1)
    let axis = try MoveKernels.axis(request, 0, rank: x.rank)
    guard y.rank == x.rank, (1...8).contains(x.rank), x.count > 0 else { throw Refusal("rank \(x.rank)") }
    try Movement.check(x.count)
    return try launch(
      request, "gather_elements", ["WIDTH": width, "RANK": x.rank], count: y.count,
      [
        .input(0), .output(), .input(1), .int32(try isWide(indices)), .int32(x.shape[axis]), .int32(y.count),
        .int32(axis),
      ] + y.shape.flatMap { IndexDivision($0).arguments } + Tensor.strides(x.shape).map { .int32($0) })
  }

  private static func gatherND(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, width) = try MoveKernels.operands(request)
    let indices = try ElementwiseKernels.needed(request, 1)
    let batch = try request.attributes.int("batch_dims", default: 0)
    guard let depth = indices.shape.last, depth > 0, batch >= 0, batch + depth <= x.rank, batch < indices.rank,
      x.count > 0
    else { throw Refusal("indices \(indices.shape) of \(x.shape)") }
    try Movement.check(x.count)
    let bytes = x.shape[(batch + depth)...].reduce(1, *) * width
    let unit = unit(bytes)
    let strides = Tensor.strides(x.shape).map { $0 * width / unit }
    let rows = indices.shape[batch..<indices.rank - 1].reduce(1, *)
    let count = y.byteCount / unit
    let item = x.shape[batch...].reduce(1, *) * width / unit
    return try launch(
      request, "gather_nd", ["WIDTH": unit, "DEPTH": depth], count: count,
      [.input(0), .output(), .input(1), .int32(try isWide(indices)), .int32(count)]
        + IndexDivision(bytes / unit).arguments + IndexDivision(max(1, rows)).arguments + [.int32(item)]
        + x.shape[batch..<batch + depth].map { .int32($0) } + strides[batch..<batch + depth].map { .int32($0) })
  }

  private static func reverse(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, _, width) = try MoveKernels.operands(request)
    let lengths = try ElementwiseKernels.needed(request, 1)
    let batch = try request.attributes.int("batch_axis", default: 1)
    let time = try request.attributes.int("time_axis", default: 0)
    guard x.rank >= 2, [batch, time].sorted() == [0, 1], lengths.count == x.shape[batch] else {
      throw Refusal("batch_axis \(batch), time_axis \(time)")
    }
    let bytes = x.shape[2...].reduce(1, *) * width
    let unit = unit(bytes)
    let count = x.byteCount / unit
    try Movement.check(count)
    let function = try Movement(context: request.context).function(
      "reverse_sequence", "reverse_sequence.cu", ["WIDTH": unit])
    let arguments: [Launch.Argument] =
      [
        .input(0), .output(), .input(1), .int32(try isWide(lengths)), .int32(x.shape[time]), .int32(count),
        .int32(time == 0 ? 1 : 0),
      ] + IndexDivision(bytes / unit).arguments + IndexDivision(x.shape[1]).arguments
    return PreparedKernel(
      LaunchKernel(
        "reverse",
        [Launch(function, grid: LaunchSize((count + 255) / 256), block: LaunchSize(256), arguments.aligned)]))
  }
}
