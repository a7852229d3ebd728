import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Reductions over any axes, and global pools. Few results of many elements come of parts, joined in one order.
enum ReduceKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "ReduceSum": { try make($0, .sum) }, "ReduceMean": { try make($0, .mean) },
    "ReduceMax": { try make($0, .greatest) },
    "ReduceMin": { try make($0, .least) }, "ReduceProd": { try make($0, .product) },
    "ReduceL1": { try make($0, .magnitudes) }, "ReduceL2": { try make($0, .euclidean) },
    "ReduceLogSum": { try make($0, .logSum) }, "ReduceLogSumExp": { try make($0, .logSumExp) },
    "ReduceSumSquare": { try make($0, .squares) }, "GlobalAveragePool": { try global($0, .mean) },
    "GlobalMaxPool": { try global($0, .greatest) },
    "GlobalLpPool": {
      switch try $0.attributes.int("p", default: 2) {
      case 1: try global($0, .magnitudes)
      case 2: try global($0, .euclidean)
      case let p: try global($0, .norm, p: Float(p))
      }
    },
  ]

  /// reduce.cu's OP.
  private enum Operation: Int {
    case sum, mean, greatest, least, product, magnitudes, euclidean, logSum, logSumExp, squares, norm
    var isFractional: Bool { [.euclidean, .logSum, .logSumExp, .norm].contains(self) }
  }

  private static let files = ["elements.cuh", "rows.cuh", "reduce.cu"]

  private static func make(_ request: CUDARequest, _ operation: Operation) throws -> PreparedKernel {
    let x = try request.operand(0)
    var axes = try request.listed(1) ?? request.attributes.optionalInts("axes") ?? []
    if axes.isEmpty, try !request.attributes.bool("noop_with_empty_axes") { axes = Array(0..<x.rank) }
    return try kernel(request, operation, Set(try axes.map { try request.place($0, rank: x.rank) }))
  }

  private static func global(_ request: CUDARequest, _ operation: Operation, p: Float = 2) throws -> PreparedKernel {
    let x = try request.operand(0)
    guard x.rank >= 2 else { throw Refusal("rank \(x.rank)") }
    return try kernel(request, operation, Set(2..<max(2, x.rank)), p: p)
  }

  /// Runs of axes that are kept or met alike, those of extent 1 left out.
  private static func runs(_ shape: [Int], _ met: Set<Int>) -> [(size: Int, stride: Int, isMet: Bool)] {
    var runs: [(size: Int, stride: Int, isMet: Bool)] = []
    for (axis, stride) in zip(shape.indices, Tensor.strides(shape)) where shape[axis] != 1 {
      if let last = runs.last, last.isMet == met.contains(axis) {
        runs[runs.count - 1] = (last.size * shape[axis], stride, last.isMet)
      } else {
        runs.append((shape[axis], stride, met.contains(axis)))
      }
    }
    return runs
  }

  private static func kernel(
    _ request: CUDARequest, _ operation: Operation, _ met: Set<Int>, p: Float = 2
  ) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    let isFlag = x.type == .bool && (operation == .greatest || operation == .least)
    guard x.type.isNumber || isFlag, x.type == y.type || x.type.isSmallFloat && y.type.isSmallFloat else {
      throw Refusal("\(x.type) to \(y.type)")
    }
    guard !operation.isFractional || x.type.isFloatingPoint else { throw Refusal("\(operation) of \(x.type)") }
    guard x.count > 0 else { throw Refusal("no elements") }
    let reduction = Reduction(
      request: request, count: x.count / y.count, results: y.count, p: p,
      macros: ["X": x.type.code, "Y": y.type.code, "OP": operation.rawValue])
    let runs = runs(x.shape, met)
    switch runs.map(\.isMet) {
    case []: return try reduction.rows(1, 1)
    case [false]: return try reduction.rows(x.count, 1)
    case [true], [false, true]: return try reduction.rows(y.count, reduction.count)
    case [true, false]: return try reduction.columns(1, runs[0].size, runs[1].size)
    case [false, true, false]: return try reduction.columns(runs[0].size, runs[1].size, runs[2].size)
    default:
      return try reduction.strided(
        runs.filter { !$0.isMet }.map { ($0.size, $0.stride) }, runs.filter(\.isMet).map { ($0.size, $0.stride) })
    }
  }

  private struct Reduction {
    let request: CUDARequest
    /// Elements of one result.
    let count: Int
    let results: Int
    let p: Float
    let macros: [String: Int]

    private var processors: Int { request.multiprocessors }
    private var types: [DataType] {
      [macros["X"], macros["Y"]].compactMap { $0.flatMap { DataType(rawValue: UInt8($0)) } }
    }
    /// Parameters of reduce.cu.
    private var parameters: [Launch.Argument] { [.int64(count), .float(p), .end] }

    private func function(_ name: String, _ form: Int, _ vector: Int) throws -> CUDAFunction {
      try request.function(
        name, in: ReduceKernels.files, macros: macros.merging(["FORM": form, "VEC": vector]) { $1 })
    }

    /// One launch, or with more than one split two.
    private func kernel(
      _ form: Int, _ vector: Int, splits: Int, _ launch: (_ target: [Launch.Argument]) throws -> Launch
    ) throws -> PreparedKernel {
      if splits == 1 {
        return PreparedKernel(
          LaunchKernel("reduce", [try launch([.output(), .null])]), unreadInputs: request.constants(among: [1]))
      }
      let join = Launch(
        try function("reduce_parts", form, vector), grid: LaunchSize(parts(results, of: 4)),
        block: LaunchSize(32, 4), [.scratch(), .output(), .int64(results), .int32(splits), .end] + parameters)
      // A part is at most two numbers of 64 bits.
      return PreparedKernel(
        LaunchKernel("reduce in \(splits) parts", [try launch([.null, .scratch()]), join]),
        scratchBytes: results * splits * 16, unreadInputs: request.constants(among: [1]))
    }

    /// How many parts rows need so that the device is busy, and elements of one.
    private func split(_ n: Int, unit: Int, others: Int) -> (splits: Int, chunk: Int) {
      let wanted = max(1, min(n / (4 * unit), 4 * processors / max(1, others), 1024))
      let chunk = parts(parts(n, of: wanted), of: unit) * unit
      return (parts(n, of: chunk), chunk)
    }

    /// Threads and rows of a block, and blocks for all rows.
    private func shape(_ rows: Int, packs: Int) -> (block: LaunchSize, blocks: Int) {
      if packs <= 256 {
        var height = 4
        while height > 1, parts(rows, of: height) < 2 * processors { height /= 2 }
        return (LaunchSize(32, height), parts(rows, of: height))
      }
      return (LaunchSize(256), rows)
    }

    func rows(_ rows: Int, _ n: Int) throws -> PreparedKernel {
      guard rows < 1 << 31 else { throw Refusal("\(rows) rows") }
      let vector = RowForm.vector(types, dividing: [n])
      var shape = shape(rows, packs: n / vector)
      if n / vector < 32 {
        // Several rows a warp.
        var width = 1
        while width < n / vector { width *= 2 }
        shape = (LaunchSize(width, 128 / width), parts(rows, of: 128 / width))
      }
      let (splits, chunk) = split(n, unit: 256 * vector, others: shape.blocks)
      let function = try function("reduce_rows", 0, vector)
      return try kernel(0, vector, splits: splits) { target in
        Launch(
          function, grid: LaunchSize(shape.blocks, splits), block: shape.block,
          [.input(0)] + target + [.int64(n), .int64(rows), .int64(chunk)] + parameters)
      }
    }

    func columns(_ outer: Int, _ n: Int, _ inner: Int) throws -> PreparedKernel {
      let vector = RowForm.vector(types, dividing: [inner])
      let shape = ColumnForm(outer: outer, n: n, columns: inner / vector, multiprocessors: processors)
      guard n < 1 << 31, outer * shape.blocks < 1 << 31 else { throw Refusal("[\(outer), \(n), \(inner)]") }
      let (splits, chunk) = split(n, unit: shape.block.y, others: outer * shape.blocks)
      let function = try function("reduce_columns", 1, vector)
      return try kernel(1, vector, splits: splits) { target in
        Launch(
          function, grid: LaunchSize(outer * shape.blocks, splits), block: shape.block,
          [.input(0)] + target + [.int32(n), .int64(inner), .int32(shape.blocks), .int32(chunk)] + parameters)
      }
    }

    func strided(_ kept: [(Int, Int)], _ met: [(Int, Int)]) throws -> PreparedKernel {
      guard kept.count <= 4, met.count <= 4, results < 1 << 31, (kept + met).allSatisfy({ $0.0 < 1 << 31 }) else {
        throw Refusal("\(kept.count + met.count) runs of axes")
      }
      func walk(_ axes: [(Int, Int)]) -> [Launch.Argument] {
        let all = [(Int, Int)](repeating: (1, 0), count: 4 - axes.count) + axes
        return all.map { .int32($0.0) } + all.map { .int64($0.1) }
      }
      let shape = shape(results, packs: count)
      let (splits, chunk) = split(count, unit: 256, others: shape.blocks)
      let function = try function("reduce_strided", 2, 1)
      return try kernel(2, 1, splits: splits) { target in
        Launch(
          function, grid: LaunchSize(shape.blocks, splits), block: shape.block,
          [.input(0)] + target + walk(kept) + walk(met) + [.int64(results), .int64(chunk)] + parameters)
      }
    }
  }
}
