import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Pad in all modes, and CenterCropPad.
enum PadKernels {
  static let makers: [String: CUDAProvider.Maker] = ["Pad": { try pad($0) }, "CenterCropPad": { try center($0) }]

  /// An axis: extents in source and result, what is put before (cut, where negative).
  private struct Axis {
    var source: Int
    var result: Int
    var before: Int
    var isPlain: Bool { source == result && before == 0 }
  }

  private static func constants(_ request: CUDARequest, _ index: Int) throws -> [Int]? {
    guard let operand = request.input(index) else { return nil }
    guard let tensor = operand.constant else { throw Refusal("input \(index) is computed") }
    return try tensor.ints()
  }

  private static func pad(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, width) = try MoveKernels.operands(request)
    let name = try request.attributes.string("mode", default: "constant")
    guard let mode = ["constant", "edge", "reflect", "wrap"].firstIndex(of: name) else { throw Refusal("mode \(name)") }
    guard let pads = try constants(request, 1) else { throw Refusal("pads are left out") }
    let given = try constants(request, 3) ?? Array(0..<x.rank)
    guard pads.count == 2 * given.count, x.rank == y.rank, x.rank > 0, x.count > 0 else {
      throw Refusal("\(pads.count) pads for rank \(x.rank)")
    }
    var axes = x.shape.indices.map { Axis(source: x.shape[$0], result: y.shape[$0], before: 0) }
    for (index, axis) in given.enumerated() {
      let axis = axis < 0 ? axis + x.rank : axis
      guard axes.indices.contains(axis) else { throw Refusal("axis \(axis)") }
      axes[axis].before = pads[index]
    }
    var fill = [UInt8](repeating: 0, count: width)
    if let value = request.input(2) {
      guard let tensor = value.constant, tensor.count == 1 else { throw Refusal("the value is computed") }
      fill = try tensor.converted(to: x.type).withUnsafeBytes { Array($0) }
    }
    return try launch(request, axes, width: width, mode: mode, fill)
  }

  private static func center(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y, width) = try MoveKernels.operands(request)
    guard x.rank == y.rank, x.count > 0 else { throw Refusal("\(x.shape) to \(y.shape)") }
    let axes = zip(x.shape, y.shape).map { from, to in
      Axis(source: from, result: to, before: to >= from ? (to - from) / 2 : -((from - to) / 2))
    }
    return try launch(request, axes, width: width, mode: 0, [UInt8](repeating: 0, count: width))
  }

  private static func launch(
    _ request: CUDARequest, _ axes: [Axis], width: Int, mode: Int, _ fill: [UInt8]
  ) throws -> PreparedKernel {
    // Plain axes join what is before them: plain ones in all modes, others where there is one value to fill with.
    var merged: [Axis] = []
    for axis in axes {
      if let last = merged.last, axis.isPlain, last.isPlain || mode == 0 {
        merged[merged.count - 1] = Axis(
          source: last.source * axis.source, result: last.result * axis.result, before: last.before * axis.source)
      } else {
        merged.append(axis)
      }
    }
    var unit = width
    while unit < 16, let last = merged.last, mode == 0 || last.isPlain,
      last.source % 2 == 0, last.result % 2 == 0, last.before % 2 == 0
    {
      unit *= 2
      merged[merged.count - 1] = Axis(source: last.source / 2, result: last.result / 2, before: last.before / 2)
    }
    guard merged.count <= 8 else { throw Refusal("more than 8 axes") }
    let count = merged.reduce(1) { $0 * $1.result }
    try Movement.check(max(count, merged.reduce(1) { $0 * $1.source }))
    let pattern = (0..<16).map { fill[$0 % fill.count] }
    let arguments: [Launch.Argument] =
      [.input(0), .output(), .bytes(pattern, alignment: 4), .int32(count)]
      + merged.flatMap { IndexDivision($0.result).arguments } + merged.map { .int32($0.source) }
      + merged.map { .int32($0.before) } + Tensor.strides(merged.map(\.source)).map { .int32($0) }
    let movement = Movement(context: request.context)
    var vector = max(1, 8 / unit)
    while (merged.last?.result ?? 1) % vector != 0 { vector /= 2 }
    let units = movement.units(count / vector)
    let function = try movement.function(
      "pad", "pad.cu", ["WIDTH": unit, "RANK": merged.count, "MODE": mode, "UNITS": units, "VECTOR": vector])
    return PreparedKernel(
      LaunchKernel(
        "pad",
        [
          Launch(
            function, grid: LaunchSize(movement.blocks(count / vector, units)), block: LaunchSize(256),
            arguments.aligned)
        ]),
      unreadInputs: MoveKernels.unread(request, from: 1))
  }
}
