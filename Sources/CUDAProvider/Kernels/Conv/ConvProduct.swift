import InferenceRuntime
import Tensors

/// Where the result of a part of a transposed convolution stands in the whole.
struct ConvScatter {
  var whole: [Int]
  var up: [Int]
  var at: [Int]
}

/// Launches of conv_mma.cu.
enum ConvProduct {
  static func device(_ request: CUDARequest) -> ConvTile.Device {
    let capability = request.context.info.capability
    return ConvTile.Device(
      multiprocessors: request.context.info.multiprocessors, hasWarpgroups: capability == CUDAVersion(9, 0),
      hasClusters: capability >= CUDAVersion(9, 0))
  }

  private static func files(_ tile: ConvTile) -> [String] {
    ConvTask.files + ["conv_copy.cuh"] + (tile.isWarpgroup ? ["wgmma.cuh"] : [])
      + ["conv_sums.cuh", "conv_store.cuh", "conv_mma.cu"]
  }

  static func launch(_ request: CUDARequest, _ task: ConvTask, _ tile: ConvTile, _ scatter: ConvScatter? = nil) throws
    -> Launch
  {
    let shape = task.shape
    let macros = [
      "BM": tile.m, "BN": tile.n, "WARPS_M": tile.warpsM, "WARPS_N": tile.warpsN, "STAGES": tile.stages,
      "SPLITS": tile.splits, "WGMMA": tile.isWarpgroup ? 1 : 0, "VOLUME": shape.isVolume ? 1 : 0,
      "ELEMENT": task.element.code, "EXACT": task.element.isExact ? 1 : 0, "OUT": task.outType,
      "ADDED": task.addedType, "ACTIVATION": task.activation.code,
    ]
    let function = try request.function(
      "conv_mma", in: files(tile), macros: macros,
      architecture: tile.isWarpgroup ? request.context.architecture + "a" : nil, sharedBytes: tile.sharedBytes)
    let columns = (shape.filters + tile.n - 1) / tile.n
    return Launch(
      function,
      grid: LaunchSize((shape.rows + tile.m - 1) / tile.m * columns, shape.groups, tile.splits),
      block: LaunchSize(tile.threads), sharedBytes: tile.sharedBytes,
      [task.image, task.filters, task.bias, task.added, .output(), parameters(task, columns, scatter).argument])
  }

  /// The struct ConvParams. `columns`: tiles along the filters.
  static func parameters(_ task: ConvTask, _ columns: Int, _ scatter: ConvScatter? = nil) -> ParameterBytes {
    let shape = task.shape
    let all = shape.groups * shape.filters
    var bytes = ParameterBytes()
    bytes.add(
      shape.rows, shape.filters, shape.taps * shape.channels, shape.channels, shape.groups * shape.channels, all)
    bytes.add(shape.input + shape.kernel + shape.strides + shape.dilations + shape.before)
    bytes.add(columns, task.isPlanar ? 1 : 0, shape.filters % 8 == 0 ? 1 : 0)
    for divisor in [shape.positions, shape.output[1] * shape.output[2], shape.output[2], columns] {
      bytes.add(divisor: divisor)
    }
    bytes.add(task.activation.p0)
    bytes.add(task.activation.p1)
    bytes.add(scatter == nil ? 0 : 1)
    bytes.add(scatter.map { $0.whole + $0.up + $0.at } ?? [1, 1, 1, 1, 1, 1, 0, 0, 0])
    bytes.add(task.areFiltersFixed ? 1 : 0)
    return bytes
  }
}
