import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// GridSample of one to three spatial axes, and RoiAlign.
enum SampleKernels {
  static let makers: [String: CUDAProvider.Maker] = ["GridSample": { try grid($0) }, "RoiAlign": { try regions($0) }]

  private static let files = ["elements.cuh", "rows.cuh", "sample.cu"]

  private static func grid(_ request: CUDARequest) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, 1])
    let (x, grid, y) = (try request.operand(0), try request.operand(1), try request.result())
    let rank = x.rank - 2
    guard rank >= 1, rank <= 3, grid.rank == x.rank, grid.shape.last == rank, grid.shape[0] == x.shape[0], x.count > 0
    else { throw Refusal("\(x.shape) at \(grid.shape)") }
    func choice(_ name: String, _ fallback: String, _ values: [[String]]) throws -> Int {
      let text = try request.attributes.string(name, default: fallback)
      guard let index = values.firstIndex(where: { $0.contains(text) }) else { throw Refusal("\(name) \(text)") }
      return index
    }
    let mode = try choice("mode", "linear", [["nearest"], ["linear", "bilinear"], ["cubic", "bicubic"]])
    let padding = try choice("padding_mode", "zeros", [["zeros"], ["border"], ["reflection"]])
    let sizes = [Int](repeating: 1, count: 3 - rank) + x.shape[2...]
    let (channels, positions) = (x.shape[1], product(grid.shape[1..<x.rank - 1]))
    let count = x.shape[0] * positions
    guard count < 1 << 31, sizes.allSatisfy({ $0 < 1 << 30 }) else { throw Refusal("\(count) positions") }
    // The weights of a position serve all channels, unless there are few positions.
    var slices = 1
    while slices < channels, slices < 1024, parts(count, of: 128) * slices < 4 * request.multiprocessors { slices *= 2 }
    let function = try request.function(
      "grid_sample", in: files, macros: ["X": x.type.code, "Y": y.type.code, "GRID": grid.type.code, "KIND": 0])
    var arguments: [Launch.Argument] = [
      .input(0), .input(1), .output(), .int64(count), .int32(positions), .int32(channels),
    ]
    arguments += sizes.map { .int32($0) }
    arguments += [
      .int32(rank), .int32(mode), .int32(padding), .int32(try request.attributes.bool("align_corners") ? 1 : 0), .end,
    ]
    let launch = Launch(
      function, grid: LaunchSize(parts(count, of: 128), slices), block: LaunchSize(128), arguments)
    return PreparedKernel(LaunchKernel("grid sample", [launch]))
  }

  private static func regions(_ request: CUDARequest) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, 1])
    let (x, boxes, items) = (try request.operand(0), try request.operand(1), try request.operand(2))
    let y = try request.result()
    guard x.rank == 4, boxes.rank == 2, boxes.shape[1] == 4, items.type == .int64, items.count == boxes.shape[0],
      x.count > 0, x.count < 1 << 31
    else { throw Refusal("\(x.shape) at \(boxes.shape)") }
    let attributes = request.attributes
    let (rows, columns) = (
      try attributes.int("output_height", default: 1), try attributes.int("output_width", default: 1)
    )
    let isHalf = try attributes.string("coordinate_transformation_mode", default: "half_pixel") == "half_pixel"
    let isMaximum = try attributes.string("mode", default: "avg") == "max"
    let function = try request.function(
      "roi_align", in: files, macros: ["X": x.type.code, "Y": y.type.code, "GRID": boxes.type.code, "KIND": 1])
    var arguments: [Launch.Argument] = [.input(0), .input(1), .input(2), .output(), .int64(y.count)]
    arguments += (x.shape + [rows, columns, try attributes.int("sampling_ratio", default: 0)]).map { .int32($0) }
    arguments += [
      .float(try attributes.float("spatial_scale", default: 1)), .int32(isMaximum ? 1 : 0), .int32(isHalf ? 1 : 0),
      .end,
    ]
    let launch = Launch(function, grid: LaunchSize(parts(y.count, of: 128)), block: LaunchSize(128), arguments)
    return PreparedKernel(LaunchKernel("roi align", [launch]))
  }
}
