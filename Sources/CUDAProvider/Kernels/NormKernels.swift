import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Normalizations by mean and variance or by the root mean square, over rows that a block's registers hold; longer ones are read twice.
enum NormKernels {
  static let makers: [String: CUDAProvider.Maker] = [
    "LayerNormalization": { try layer($0, isRMS: false) }, "RMSNormalization": { try layer($0, isRMS: true) },
    "SimplifiedLayerNormalization": { try simplified($0) },
    "com.microsoft.SimplifiedLayerNormalization": { try simplified($0) },
    "com.microsoft.SkipLayerNormalization": { try skip($0, isRMS: false) },
    "com.microsoft.SkipSimplifiedLayerNormalization": { try skip($0, isRMS: true) },
    "InstanceNormalization": { try grouped($0, groups: nil) },
    "GroupNormalization": { try grouped($0, groups: try $0.attributes.int("num_groups")) },
    "MeanVarianceNormalization": { try meanVariance($0) },
  ]

  private static let files = ["elements.cuh", "rows.cuh", "norm.cu"]

  /// `struct Arguments` of norm.cu.
  private struct Problem {
    /// norm.cu's OP.
    enum Operation: Int { case layer, rms, standard }
    var operation: Operation
    var rows: Int
    var n: Int
    var epsilon: Float
    /// By input; nil: left out.
    var scale: Int?
    var bias: Int?
    var skip: (input: Int, rows: Int)?
    var shift: Int?
    /// By output.
    var mean: Int?
    var inverse: Int?
    var sum: Int?
    var channels: (count: Int, perRow: Int, plane: Int)?
    /// Elements of one channel, and how far a row's channels are from each other.
    var segments: (plane: Int, pitch: Int)?

    func arguments() -> [Launch.Argument] {
      func input(_ index: Int?) -> Launch.Argument { index.map { .input($0) } ?? .null }
      func output(_ index: Int?) -> Launch.Argument { index.map { .output($0) } ?? .null }
      return [
        .input(0), .output(), input(scale), input(bias), input(skip?.input), input(shift), output(mean),
        output(inverse), output(sum), .int64(n), .int64(rows), .int64(skip?.rows ?? 1), .float(epsilon),
        .int32(channels?.count ?? 1), .int32(channels?.perRow ?? 1), .divisor(channels?.plane ?? segments?.plane ?? 1),
        .end, .int64(segments?.pitch ?? 0),
      ]
    }
  }

  private static func kernel(_ name: String, _ request: CUDARequest, _ problem: Problem) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    let others = [problem.scale, problem.bias, problem.skip?.input, problem.shift].map {
      $0.map { request.code($0) } ?? 0
    }
    for case let index? in [problem.mean, problem.inverse] {
      if let type = request.output(index)?.type, type != .float { throw Refusal("statistics of \(type)") }
    }
    guard problem.rows < 1 << 31, problem.n < 1 << 31 else { throw Refusal("\(problem.rows) rows of \(problem.n)") }
    var multiples = [problem.n]
    if let plane = problem.channels?.plane ?? problem.segments?.plane { multiples.append(plane) }
    let vector = RowForm.vector([x.type, y.type], dividing: multiples)
    let macros = [
      "X": x.type.code, "Y": y.type.code, "OP": problem.operation.rawValue, "SCALE": others[0], "BIAS": others[1],
      "SKIP": others[2], "SHIFT": others[3], "SUM": problem.sum.flatMap { request.output($0)?.type.code } ?? 0,
      "CHANNELS": problem.channels == nil ? 0 : 1,
      "SEGMENTS": problem.segments == nil ? 0 : 1,
    ]
    let inPlace = x.type == y.type && problem.sum == nil ? [0] : []
    let processors = request.multiprocessors
    let isSplit = problem.n >= 1 << 14 && problem.rows * 2 <= processors && problem.skip == nil
    if !isSplit, let form = RowForm(problem.n, rows: problem.rows, vector: vector, multiprocessors: processors) {
      let function = try request.function(
        "norm_rows", in: files, macros: macros.merging(form.macros) { $1 }.merging(["FORM": 0]) { $1 })
      let launch = Launch(
        function, grid: form.grid(rows: problem.rows), block: form.block, problem.arguments())
      return PreparedKernel(LaunchKernel(name, [launch]), inPlaceInputs: inPlace)
    }
    guard problem.skip == nil else { throw Refusal("rows of \(problem.n)") }
    // Some 4 loads a thread, and no more blocks than two rounds over the device.
    let unit = 256 * vector
    var splits = max(1, min(parts(problem.n, of: 4 * unit), parts(4 * processors, of: problem.rows), 256))
    let chunk = parts(parts(problem.n, of: splits), of: unit) * unit
    splits = parts(problem.n, of: chunk)
    let long = macros.merging(["FORM": 1, "VEC": vector]) { $1 }
    let grid = LaunchSize(problem.rows, splits)
    let launches = try ["norm_moments", "norm_apply"].map { kernel in
      Launch(
        try request.function(kernel, in: files, macros: long), grid: grid, block: LaunchSize(256),
        problem.arguments() + [.scratch(), .int64(chunk)])
    }
    return PreparedKernel(
      LaunchKernel(name, launches), scratchBytes: problem.rows * splits * 12, inPlaceInputs: inPlace)
  }

  private static func layer(_ request: CUDARequest, isRMS: Bool) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, 1, 2])
    let x = try request.operand(0)
    guard x.rank > 0 else { throw Refusal("a scalar") }
    let axis = try request.axis("axis", default: -1, rank: x.rank)
    let n = product(x.shape[axis...])
    for index in 1...2 { try request.requireElements(index, n) }
    if let type = try request.attributes.optionalInt("stash_type"), type != DataType.float.code {
      throw Refusal("statistics of another type")
    }
    let problem = Problem(
      operation: isRMS ? .rms : .layer, rows: product(x.shape[..<axis]), n: n,
      epsilon: try request.attributes.float("epsilon"), scale: request.input(1) == nil ? nil : 1,
      bias: request.input(2) == nil ? nil : 2, mean: request.output(1) == nil ? nil : 1,
      inverse: request.output(2) == nil ? nil : 2)
    return try kernel(isRMS ? "rmsnorm" : "layernorm", request, problem)
  }

  private static func simplified(_ request: CUDARequest) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, 1])
    let x = try request.operand(0)
    guard x.rank > 0 else { throw Refusal("a scalar") }
    let axis = try request.axis("axis", default: -1, rank: x.rank)
    let n = product(x.shape[axis...])
    try request.requireElements(1, n)
    let problem = Problem(
      operation: .rms, rows: product(x.shape[..<axis]), n: n,
      epsilon: try request.attributes.float("epsilon", default: 1e-5), scale: 1,
      inverse: request.output(1) == nil ? nil : 1)
    return try kernel("rmsnorm", request, problem)
  }

  private static func skip(_ request: CUDARequest, isRMS: Bool) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, 1, 2, 3, 4], outputs: [0, 3])
    let (x, skip) = (try request.operand(0), try request.operand(1))
    guard x.rank == 2 || x.rank == 3, let n = x.shape.last, n > 0 else { throw Refusal("rank \(x.rank)") }
    guard !isRMS || request.output(1) == nil else { throw Refusal("a mean of an RMS normalization") }
    let rows = x.count / n
    // All of x, or its axes behind the batch.
    let tail = Array(skip.shape.drop { $0 == 1 })
    guard skip.shape.last == n, rows % (skip.count / n) == 0, Array(x.shape.suffix(tail.count)) == tail else {
      throw Refusal("a skip of the shape \(skip.shape)")
    }
    let (beta, shift) = isRMS ? (nil, 3) : (3, 4)
    for index in 2...4 { try request.requireElements(index, n) }
    let problem = Problem(
      operation: isRMS ? .rms : .layer, rows: rows, n: n,
      epsilon: try request.attributes.float("epsilon", default: 1e-12), scale: 2,
      bias: beta.flatMap { request.input($0) == nil ? nil : $0 }, skip: (1, skip.count / n),
      shift: request.input(shift) == nil ? nil : shift, mean: request.output(1) == nil ? nil : 1,
      inverse: request.output(2) == nil ? nil : 2, sum: request.output(3) == nil ? nil : 3)
    return try kernel("skip norm", request, problem)
  }

  private static func grouped(_ request: CUDARequest, groups: Int?) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0, 1, 2])
    let x = try request.operand(0)
    guard x.rank >= 2 else { throw Refusal("rank \(x.rank)") }
    let channels = x.shape[1]
    let groups = groups ?? channels
    guard groups > 0, channels % groups == 0 else { throw Refusal("\(channels) channels in \(groups) groups") }
    for index in 1...2 { try request.requireElements(index, channels) }
    let plane = product(x.shape[2...])
    let problem = Problem(
      operation: .layer, rows: x.shape[0] * groups, n: channels / groups * plane,
      epsilon: try request.attributes.float("epsilon", default: 1e-5), scale: request.input(1) == nil ? nil : 1,
      bias: request.input(2) == nil ? nil : 2, channels: (channels, channels / groups, plane))
    return try kernel("groupnorm", request, problem)
  }

  /// Over neighbouring axes at the end, or over all but one.
  private static func meanVariance(_ request: CUDARequest) throws -> PreparedKernel {
    try request.requireSmallFloats(inputs: [0])
    let x = try request.operand(0)
    let axes = Set(try request.attributes.ints("axes", default: [0, 2, 3]).map { try request.place($0, rank: x.rank) })
    let kept = x.shape.indices.filter { !axes.contains($0) && x.shape[$0] > 1 }
    let met = x.shape.indices.filter { axes.contains($0) && x.shape[$0] > 1 }
    var problem = Problem(operation: .standard, rows: 1, n: x.count, epsilon: 1e-9)
    if let last = kept.last {
      problem.rows = product(kept.map { x.shape[$0] })
      problem.n = x.count / problem.rows
      if let first = met.first, first < last {
        guard kept == Array(kept[0]...last), first < kept[0] else { throw Refusal("axes \(axes.sorted())") }
        let plane = product(x.shape[(last + 1)...])
        problem.segments = (plane, problem.rows * plane)
      }
    }
    return try kernel("standardize", request, problem)
  }
}
