import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Softmax, LogSoftmax, Hardmax and LpNormalization: a row is read once where a block's registers hold it.
enum SoftmaxKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "Softmax": { try make($0, .softmax) }, "LogSoftmax": { try make($0, .logarithm) },
    "Hardmax": { try make($0, .hard) },
    "LpNormalization": {
      switch try $0.attributes.int("p", default: 2) {
      case 1: try make($0, .magnitudes)
      case 2: try make($0, .euclidean)
      case let p: throw Refusal("p = \(p)")
      }
    },
  ]

  /// softmax.cu's MODE.
  private enum Mode: Int { case softmax, logarithm, hard, magnitudes, euclidean }

  private static let files = ["elements.cuh", "rows.cuh", "softmax.cu"]

  private static func make(_ request: CUDARequest, _ mode: Mode) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0])
    let (x, y) = (try request.operand(0), try request.result())
    guard x.count <= 1 << 40 else { throw Refusal("\(x.count) elements") }
    let axis = x.rank == 0 ? 0 : try request.axis("axis", default: -1, rank: x.rank)
    let n = x.rank == 0 ? 1 : x.shape[axis]
    let (outer, inner) = (product(x.shape.prefix(axis)), product(x.shape.dropFirst(axis + 1)))
    guard n < 1 << 30, inner < 1 << 30, outer * inner < 1 << 31 else { throw Refusal("\(x.shape)") }
    let macros = ["X": x.type.code, "Y": y.type.code, "MODE": mode.rawValue]
    let launch =
      inner == 1
      ? try rows(request, mode, macros, [x.type, y.type], rows: outer, n)
      : try strided(request, mode, macros, [x.type, y.type], outer, n, inner)
    return PreparedKernel(
      LaunchKernel(mode == .softmax ? "softmax" : "\(mode)", [launch]), inPlaceInputs: x.type == y.type ? [0] : [])
  }

  private static func rows(
    _ request: CUDARequest, _ mode: Mode, _ macros: [String: Int], _ types: [DataType], rows: Int, _ n: Int
  ) throws -> Launch {
    let vector = RowForm.vector(types, dividing: [n])
    if let form = RowForm(n, rows: rows, vector: vector, multiprocessors: request.multiprocessors) {
      let function = try request.function(
        "softmax_rows", in: files, macros: macros.merging(form.macros) { $1 }.merging(["FORM": 0]) { $1 })
      return Launch(
        function, grid: form.grid(rows: rows), block: form.block, [.input(0), .output(), .int32(n), .int32(rows)])
    }
    guard mode != .hard else {
      let function = try request.function(
        "hardmax_strided", in: files, macros: macros.merging(["FORM": 2, "VEC": 1]) { $1 })
      return Launch(
        function, grid: LaunchSize(parts(rows, of: 128)), block: LaunchSize(128),
        [.input(0), .output(), .int32(n), .int32(1), .int64(rows)])
    }
    let function = try request.function(
      "softmax_long", in: files,
      macros: macros.merging(["FORM": 1, "VEC": RowForm.vector(types, dividing: [])]) { $1 })
    return Launch(
      function, grid: LaunchSize(rows), block: LaunchSize(1024), [.input(0), .output(), .int64(n)])
  }

  private static func strided(
    _ request: CUDARequest, _ mode: Mode, _ macros: [String: Int], _ types: [DataType], _ outer: Int, _ n: Int,
    _ inner: Int
  ) throws -> Launch {
    if let packs = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32].first(where: { $0 >= n }) {
      // All of a column in one thread's registers.
      let vector = RowForm.vector(types, dividing: [inner], atMost: packs <= 4 ? 8 : packs <= 12 ? 4 : 2)
      let count = outer * inner / vector
      let function = try request.function(
        "softmax_columns", in: files, macros: macros.merging(["FORM": 3, "VEC": vector, "PACKS": packs]) { $1 })
      return Launch(
        function, grid: LaunchSize(parts(count, of: 128)), block: LaunchSize(128),
        [.input(0), .output(), .int32(n), .int32(inner), .int32(inner / vector), .int64(count)])
    }
    if mode == .hard {
      let lines = outer * inner
      let function = try request.function(
        "hardmax_strided", in: files, macros: macros.merging(["FORM": 2, "VEC": 1]) { $1 })
      return Launch(
        function, grid: LaunchSize(parts(lines, of: 128)), block: LaunchSize(128),
        [.input(0), .output(), .int32(n), .int32(inner), .int64(lines)])
    }
    let vector = RowForm.vector(types, dividing: [inner], atMost: 4)
    let shape = ColumnForm(outer: outer, n: n, columns: inner / vector, multiprocessors: request.multiprocessors)
    let function = try request.function(
      "softmax_strided", in: files, macros: macros.merging(["FORM": 2, "VEC": vector]) { $1 })
    return Launch(
      function, grid: LaunchSize(outer * shape.blocks), block: shape.block,
      [.input(0), .output(), .int32(n), .int32(inner), .int32(shape.blocks)])
  }
}

/// How 256 threads share the columns of [outer, n, columns].
struct ColumnForm {
  /// Columns side by side, and threads that share one.
  let block: LaunchSize
  /// Of columns, for one item.
  let blocks: Int

  init(outer: Int, n: Int, columns: Int, multiprocessors: Int) {
    var width = 8
    while width < 256, width < columns { width *= 2 }
    // More threads a column where there are few columns, and rows enough for them.
    while width > 8, 256 / width * 4 <= n, outer * parts(columns, of: width) < 4 * multiprocessors { width /= 2 }
    block = LaunchSize(width, 256 / width)
    blocks = parts(columns, of: width)
  }
}
