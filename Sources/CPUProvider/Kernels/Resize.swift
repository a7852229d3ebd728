internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Resize of the two spatial axes in float32, by the tables that the portable evaluation uses; of the nearest position in any type.
enum ResizeKernels {
  static let makers: [String: CPUProvider.Maker] = ["Resize": { try make($0) }]

  private static func make(_ request: KernelRequest) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    let isNearest = try request.attributes.string("mode", default: "nearest") == "nearest"
    if !isNearest { try request.requireFloat([0]) }
    let isLast = x.rank == 4 && x.shape[..<2] != y.shape[..<2] && x.shape[0] == y.shape[0] && x.shape[3] == y.shape[3]
    guard isLast || ((x.rank == 3 || x.rank == 4) && x.shape[..<2] == y.shape[..<2]) else {
      throw Refusal("axes other than the two spatial ones")
    }
    guard
      try request.attributes.string("coordinate_transformation_mode", default: "half_pixel") != "tf_crop_and_resize",
      try request.attributes.string("keep_aspect_ratio_policy", default: "stretch") == "stretch"
    else { throw Refusal("regions or kept aspect ratios") }
    var axes = try request.attributes.optionalInts("axes") ?? []
    axes = axes.isEmpty ? Array(0..<x.rank) : axes.map { $0 < 0 ? $0 + x.rank : $0 }
    var scales = [Double](repeating: 1, count: x.rank)
    if let sizes = request.input(3), sizes.count > 0 {
      for axis in axes { scales[axis] = Double(y.shape[axis]) / Double(x.shape[axis]) }
    } else if let operand = request.input(2), let given = try operand.constant?.elements(as: Double.self),
      given.count == axes.count
    {
      for (index, axis) in axes.enumerated() { scales[axis] = given[index] }
    } else {
      throw Refusal("scales are computed")
    }
    let interpolation = try ResizeInterpolation(request.attributes)
    func table(_ axis: Int) throws -> [ResizeInterpolation.Taps] {
      if axis < (isLast ? 1 : 2) { return [ResizeInterpolation.Taps(indices: [0], weights: [1])] }
      if scales[axis] == 1 && x.shape[axis] == y.shape[axis] {
        return (0..<x.shape[axis]).map { ResizeInterpolation.Taps(indices: [$0], weights: [1]) }
      }
      return try interpolation.table(input: x.shape[axis], output: y.shape[axis], scale: scales[axis]).map { taps in
        guard let taps else { throw Refusal("places outside") }
        return taps
      }
    }
    if isNearest && x.type != .float {
      let spatial = isLast ? (1, 2) : x.rank == 3 ? (0, 2) : (2, 3)
      guard scales.enumerated().allSatisfy({ $1 == 1 || $0 == spatial.0 || $0 == spatial.1 }) else {
        throw Refusal("axes other than the two spatial ones")
      }
      return try nearest(request, x, y, isLast: isLast, rows: try table(spatial.0), columns: try table(spatial.1))
    }
    if isLast {
      return try last(x, y, rows: try table(1), columns: try table(2), isWhole: scales[0] == 1 && scales[3] == 1)
    }
    let isFlat = x.rank == 3
    let (rows, columns) = (try table(isFlat ? 0 : 2), try table(isFlat ? 2 : 3))
    let (inHeight, inWidth) = (isFlat ? 1 : x.shape[2], x.shape[x.rank - 1])
    let (outHeight, outWidth) = (isFlat ? 1 : y.shape[2], y.shape[y.rank - 1])
    let planes = product(x.shape[..<2])
    let grain = max(1, 16384 / max(1, outHeight * outWidth))
    if (rows + columns).allSatisfy({ $0.indices.count == 1 && $0.weights[0] == 1 }) {
      let rowTable = Indices(rows.map { $0.indices[0] })
      let columnTable = Indices(columns.map { $0.indices[0] })
      return PreparedKernel(
        RangeKernel("resize nearest", count: planes, grain: grain) { call, begin, end, _ in
          ck_resize_nearest_f32(
            call.output(0, Float.self), call.input(0, Float.self), inHeight, inWidth, outHeight, outWidth,
            rowTable.base,
            columnTable.base, 0, begin, end)
        })
    }
    let (rowTaps, rowIndices, rowWeights) = flat(rows)
    let (columnTaps, columnIndices, columnWeights) = flat(columns)
    let scratch = aligned(ck_resize_scratch_bytes(inWidth, outWidth))
    let kernel = RangeKernel("resize", count: planes, grain: grain) { call, begin, end, thread in
      ck_resize_separable_f32(
        call.output(0, Float.self), call.input(0, Float.self), inHeight, inWidth, outHeight, outWidth, rowTaps,
        rowIndices.base, rowWeights.base, columnTaps, columnIndices.base, columnWeights.base, begin, end,
        call.scratch + thread * scratch)
    }
    return PreparedKernel(kernel, scratchBytes: max(64, scratch * request.threads))
  }

  /// Of any type: [planes, H, W] of elements, or [N, H, W] of all channels.
  private static func nearest(
    _ request: KernelRequest, _ x: Operand, _ y: Operand, isLast: Bool, rows: [ResizeInterpolation.Taps],
    columns: [ResizeInterpolation.Taps]
  ) throws -> PreparedKernel {
    guard (rows + columns).allSatisfy({ $0.indices.count == 1 && $0.weights[0] == 1 }) else {
      throw Refusal("positions of several taps")
    }
    let isFlat = x.rank == 3
    let width = try request.width(x) * (isLast ? x.shape[3] : 1)
    let (height, length) = (isLast ? x.shape[1] : isFlat ? 1 : x.shape[2], isLast ? x.shape[2] : x.shape[x.rank - 1])
    let (outHeight, outLength) = (
      isLast ? y.shape[1] : isFlat ? 1 : y.shape[2], isLast ? y.shape[2] : y.shape[y.rank - 1]
    )
    let lines = (isLast ? x.shape[0] : product(x.shape[..<2])) * outHeight
    let (rowTable, columnTable) = (Indices(rows.map { $0.indices[0] }), Indices(columns.map { $0.indices[0] }))
    let kernel = RangeKernel(
      "resize nearest", count: lines, grain: max(1, (1 << 16) / max(1, outLength * width))
    ) { call, begin, end, _ in
      ck_nearest_bytes(
        call.output(), call.input(0), width, height, length, outHeight, outLength, rowTable.base, columnTable.base,
        begin, end)
    }
    return PreparedKernel(kernel)
  }

  /// [N, H, W, C].
  private static func last(
    _ x: Operand, _ y: Operand, rows: [ResizeInterpolation.Taps], columns: [ResizeInterpolation.Taps], isWhole: Bool
  ) throws -> PreparedKernel {
    guard isWhole else { throw Refusal("axes other than the two spatial ones") }
    let (height, width, channels) = (x.shape[1], x.shape[2], x.shape[3])
    let (outHeight, outWidth) = (y.shape[1], y.shape[2])
    let (rowTaps, rowIndices, rowWeights) = flat(rows)
    let (columnTaps, columnIndices, columnWeights) = flat(columns)
    let kernel = RangeKernel(
      "resize, channels last", count: y.shape[0] * outHeight, grain: max(1, 16384 / max(1, outWidth * channels))
    ) { call, begin, end, _ in
      ck_last_resize_f32(
        call.output(0, Float.self), call.input(0, Float.self), channels, height, width, outHeight, outWidth, rowTaps,
        rowIndices.base, rowWeights.base, columnTaps, columnIndices.base, columnWeights.base, begin, end)
    }
    return PreparedKernel(kernel)
  }

  /// Every position with as many taps as the one with most; the rest weigh 0.
  private static func flat(_ table: [ResizeInterpolation.Taps]) -> (Int, Indices, Floats) {
    let taps = table.map(\.indices.count).max() ?? 1
    var indices: [Int] = []
    var weights: [Float] = []
    for entry in table {
      for tap in 0..<taps {
        indices.append(tap < entry.indices.count ? entry.indices[tap] : entry.indices.last ?? 0)
        weights.append(tap < entry.weights.count ? Float(entry.weights[tap]) : 0)
      }
    }
    return (taps, Indices(indices), Floats(weights))
  }
}

/// 32-bit indices at an address that C may read.
private final class Indices: @unchecked Sendable {
  let base: UnsafeMutablePointer<Int32>

  init(_ values: [Int]) {
    base = .allocate(capacity: max(1, values.count))
    for (index, value) in values.enumerated() { base[index] = Int32(truncatingIfNeeded: value) }
  }

  deinit { base.deallocate() }
}
