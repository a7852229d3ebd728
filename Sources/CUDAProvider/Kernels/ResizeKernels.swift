import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Resize by the tables that the portable evaluation uses: any mode, along up to three neighbouring axes.
enum ResizeKernels {
  static let makers: [String: CUDAProvider.Maker] = ["Resize": { try make($0) }]

  private typealias Taps = ResizeInterpolation.Taps

  private static func make(_ request: CUDARequest) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    guard x.rank == y.rank, x.count > 0 else { throw Refusal("\(x.shape) to \(y.shape)") }
    let isNearest = try request.attributes.string("mode", default: "nearest") == "nearest"
    guard try request.attributes.string("coordinate_transformation_mode", default: "half_pixel") != "tf_crop_and_resize"
    else { throw Refusal("regions") }
    let scales = try scales(request, x.shape, y.shape)
    let changed = x.shape.indices.filter { scales[$0] != 1 || x.shape[$0] != y.shape[$0] }
    let first = changed.first ?? max(0, x.rank - 1)
    let last = changed.last ?? first
    guard x.rank > 0, last - first < 3 else { throw Refusal("axes \(changed)") }
    let interpolation = try ResizeInterpolation(request.attributes)
    let tables = try (first...last).map { axis in
      guard changed.contains(axis) else { return (0..<x.shape[axis]).map { Taps(indices: [$0], weights: [1]) } }
      return try interpolation.table(input: x.shape[axis], output: y.shape[axis], scale: scales[axis]).map { taps in
        guard let taps else { throw Refusal("places outside") }
        return taps
      }
    }
    let moves =
      isNearest && x.type == y.type && tables.joined().allSatisfy { $0.indices.count == 1 && $0.weights[0] == 1 }
    let none = [[Taps]](repeating: [Taps(indices: [0], weights: [1])], count: 3 - tables.count)
    return try launch(
      request, moves: moves, tables: none + tables, input: Array(x.shape[first...last]),
      inner: product(x.shape[(last + 1)...]))
  }

  /// Of each axis, output to input as the policy for aspect ratios has it.
  private static func scales(_ request: CUDARequest, _ x: [Int], _ y: [Int]) throws -> [Double] {
    var axes = try request.attributes.optionalInts("axes") ?? []
    axes = axes.isEmpty ? Array(x.indices) : try axes.map { try request.place($0, rank: x.count) }
    var scales = [Double](repeating: 1, count: x.count)
    if let sizes = request.input(3), sizes.count > 0 {
      var given = axes.map { Double(y[$0]) / Double(x[$0]) }
      let policy = try request.attributes.string("keep_aspect_ratio_policy", default: "stretch")
      if policy != "stretch" {
        guard let wanted = try sizes.constant?.ints(), wanted.count == axes.count else {
          throw Refusal("sizes are computed")
        }
        let ratios = zip(axes, wanted).map { Double($1) / Double(x[$0]) }
        let one = (policy == "not_larger" ? ratios.min() : ratios.max()) ?? 1
        given = axes.map { _ in one }
      }
      for (axis, scale) in zip(axes, given) { scales[axis] = scale }
    } else {
      guard let given = try request.input(2)?.constant?.elements(as: Double.self), given.count == axes.count else {
        throw Refusal("scales are computed")
      }
      for (axis, scale) in zip(axes, given) { scales[axis] = scale }
    }
    return scales
  }

  private static func launch(
    _ request: CUDARequest, moves: Bool, tables: [[Taps]], input: [Int], inner: Int
  ) throws -> PreparedKernel {
    let (x, y) = (try request.operand(0), try request.result())
    var (source, target) = (x.type, y.type)
    if moves {
      guard source.bitWidth >= 8, source != .string, let carrier = DataType.carrier(bytes: source.bytes) else {
        throw Refusal("elements of \(source)")
      }
      (source, target) = (carrier, carrier)
    } else if !source.isSmallFloat || !target.isSmallFloat {
      throw Refusal("\(source) to \(target)")
    }
    let vector = RowForm.vector([source, target], dividing: [inner], atMost: moves ? 16 : 8)
    let count = y.count / vector
    guard count < 1 << 31, x.count < 1 << 40 else { throw Refusal("\(y.count) results") }
    let taps = tables.map { $0.map(\.indices.count).max() ?? 1 }
    var (indices, weights, starts): ([Int32], [Float], [Int]) = ([], [], [])
    for (table, most) in zip(tables, taps) {
      starts.append(indices.count)
      for entry in table {
        for tap in 0..<most {
          let isThere = tap < entry.indices.count
          indices.append(Int32(truncatingIfNeeded: isThere ? entry.indices[tap] : entry.indices.last ?? 0))
          weights.append(isThere ? Float(entry.weights[tap]) : 0)
        }
      }
    }
    let function = try request.function(
      "resize", in: ["elements.cuh", "rows.cuh", "resize.cu"],
      macros: ["X": source.code, "Y": target.code, "NEAREST": moves ? 1 : 0, "VEC": vector])
    let sizes = [Int](repeating: 1, count: 3 - input.count) + input
    var arguments: [Launch.Argument] = [
      .input(0), .output(), .resident(try request.uploaded(indices)), .resident(try request.uploaded(weights)),
      .int32(count),
    ]
    arguments += (sizes + taps + starts).map { .int32($0) }
    arguments += [.divisor(inner / vector)] + tables.reversed().map { .divisor($0.count) } + [.float(0), .end]
    let launch = Launch(function, grid: LaunchSize(parts(count, of: 256)), block: LaunchSize(256), arguments)
    return PreparedKernel(
      LaunchKernel(moves ? "resize nearest" : "resize", [launch]), unreadInputs: request.constants(among: [1, 2, 3]))
  }
}
