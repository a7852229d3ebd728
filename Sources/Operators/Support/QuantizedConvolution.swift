internal import CKernels
import GraphIR
import Tensors

/// Convolutions of whole numbers: exact int32 sums, which wrap.
enum WholeConvolution {
  /// x [N, C, ..] and w [M, C / group, ..] as `WholeNumbers.centered` makes them; int32 [N, M, ..]. Window attributes and
  /// `group` as Conv has them.
  static func compute(_ context: EvaluationContext, _ x: Tensor, _ w: Tensor) throws -> Tensor {
    guard x.rank >= 2, x.rank == w.rank else { throw CameoError.badInput("an input \(x) against weights \(w)") }
    if x.rank > 5 { return try Conv.compute(context, x, w, nil, as: .int32, Int64.self) }
    let groups = try context.attributes.int("group", default: 1)
    guard groups > 0, w.shape[0] % groups == 0,
      w.shape[1].multipliedReportingOverflow(by: groups) == (x.shape[1], false)
    else { throw CameoError.badInput("\(groups) groups of an input \(x) against weights \(w)") }
    let geometry = try NNWindow(context.attributes, kernel: Array(w.shape[2...])).resolved(Array(x.shape[2...]))
    let sizes = Sizes(
      batch: x.shape[0], channels: x.shape[1] / groups, outputs: w.shape[0] / groups, groups: groups,
      geometry: geometry)
    let (input, weights) = (try ElementView<Float>(x), try ElementView<Float>(w))
    return try Tensor.makeRaw(.int32, [x.shape[0], w.shape[0]] + geometry.output) { raw in
      guard let out = raw.baseAddress?.assumingMemoryBound(to: Int32.self), raw.count > 0 else { return }
      // Few sums of few terms each: the direct loop adds in float, which is exact up to 256 terms.
      if groups > 1, sizes.outputs <= 4, sizes.depth <= 256 {
        try direct(out, input.base, weights.base, sizes)
      } else {
        try columns(out, input.base, weights.base, sizes)
      }
    }
  }

  /// `channels` and `outputs` are those of one group.
  private struct Sizes {
    let batch: Int
    let channels: Int
    let outputs: Int
    let groups: Int
    let geometry: NNGeometry

    var depth: Int { channels * geometry.taps }
  }

  private static func direct(
    _ out: UnsafeMutablePointer<Int32>, _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, _ sizes: Sizes
  ) throws {
    let window = try sizes.geometry.kernelWindow()
    let positions = sizes.geometry.outputCount
    let planes = sizes.batch * sizes.groups * sizes.outputs
    let sums = try NNScratch(planes * positions, Float.self)
    let isDepthwise = sizes.channels == 1 && sizes.geometry.rank <= 2
    try NNParallel.throwingRanges(planes, grain: max(1, 50_000 / max(1, positions * sizes.depth))) { range in
      var window = window
      if isDepthwise {
        let bytes = ck_conv_depthwise_scratch_bytes(&window)
        let scratch = try NNScratch(bytes, UInt8.self)
        ck_conv_depthwise_f32(
          sums.base, x, w, nil, sizes.groups, sizes.outputs, &window, range.lowerBound, range.upperBound, nil,
          scratch.base)
      } else {
        ck_conv_direct_f32(
          sums.base, x, w, nil, sizes.channels * sizes.groups, sizes.outputs * sizes.groups, sizes.groups, &window,
          range.lowerBound, range.upperBound, nil)
      }
      let begin = range.lowerBound * positions
      ck_whole_to_i32(out + begin, sums.base + begin, range.count * positions)
    }
  }

  private static func columns(
    _ y: UnsafeMutablePointer<Int32>, _ x: UnsafePointer<Float>, _ w: UnsafePointer<Float>, _ sizes: Sizes
  ) throws {
    let geometry = sizes.geometry
    let (positions, plane) = (geometry.outputCount, geometry.inputCount)
    let (depth, rows) = (sizes.depth, sizes.outputs)
    let isDirect = geometry.isPointwise
    // Scratch of one piece: at most about 4 MB of columns.
    let width = isDirect ? positions : min(positions, max(64, (1 << 20) / max(1, depth) / 64 * 64))
    let blocks = (positions + width - 1) / width
    let pieces = sizes.batch * sizes.groups * blocks
    func piece(_ number: Int, isSerial: Bool) throws {
      let group = number / blocks % sizes.groups
      let item = number / blocks / sizes.groups
      let first = number % blocks * width
      let count = min(positions, first + width) - first
      let image = x + (item * sizes.groups + group) * sizes.channels * plane
      let out = y + (item * sizes.groups + group) * rows * positions + first
      let weights = NNMatrix(w + group * rows * depth, row: depth, col: 1)
      if isDirect {
        return WholeProduct.multiply(
          out, ldc: positions, weights, NNMatrix(image, row: plane, col: 1), m: rows, n: positions, k: depth,
          isSerial: isSerial)
      }
      let scratch = try NNScratch(depth * count, Float.self)
      try Float.columns(
        scratch.base, ld: count, image, channels: sizes.channels, geometry, first..<first + count)
      WholeProduct.multiply(
        out, ldc: positions, weights, NNMatrix(UnsafePointer(scratch.base), row: count, col: 1), m: rows, n: count,
        k: depth, isSerial: isSerial)
    }
    if pieces >= 4 {
      try NNParallel.throwingRanges(pieces, grain: 1) { for number in $0 { try piece(number, isSerial: true) } }
    } else {
      for number in 0..<pieces { try piece(number, isSerial: false) }
    }
  }
}

/// Tensors whose channels are their last axis.
enum LastChannels {
  /// [N, .., C] to [N, C, ..].
  static func toFirst(_ tensor: Tensor) throws -> Tensor {
    guard tensor.rank >= 2 else { throw CameoError.badInput("\(tensor) has no channels") }
    return try transpose(tensor, [0, tensor.rank - 1] + (1..<tensor.rank - 1))
  }

  /// [N, C, ..] to [N, .., C].
  static func toLast(_ tensor: Tensor) throws -> Tensor {
    guard tensor.rank >= 2 else { throw CameoError.badInput("\(tensor) has no channels") }
    return try transpose(tensor, [0] + (2..<tensor.rank) + [1])
  }

  static func toLast(_ shape: [Dim]) -> [Dim] { shape.count < 2 ? shape : [shape[0]] + shape[2...] + [shape[1]] }
  static func toFirst(_ shape: [Dim]) -> [Dim] {
    shape.count < 2 ? shape : [shape[0], shape[shape.count - 1]] + shape[1..<shape.count - 1]
  }

  /// Axis i of the result is axis `permutation[i]`; whole-byte types.
  static func transpose(_ tensor: Tensor, _ permutation: [Int]) throws -> Tensor {
    guard tensor.rank <= 8, tensor.dataType.bitWidth % 8 == 0, tensor.dataType != .string else {
      return try DataMovement.transpose(tensor, permutation)
    }
    return try Tensor.makeRaw(tensor.dataType, permutation.map { tensor.shape[$0] }) { raw in
      guard let out = raw.baseAddress, raw.count > 0 else { return }
      withExtendedLifetime(tensor) {
        let row = permutation.suffix(2).reduce(1) { $0 * tensor.shape[$1] }
        NNParallel.ranges(tensor.count / row, grain: max(1, (1 << 17) / row)) { range in
          ck_transpose(
            out, tensor.baseAddress, tensor.dataType.bitWidth / 8, tensor.rank, tensor.shape, permutation,
            range.lowerBound * row, range.upperBound * row)
        }
      }
    }
  }
}

extension InferenceContext {
  /// The same node with input 0 seen channel first where its channels are its last axis.
  func channelsFirst() -> InferenceContext {
    var seen = inputs
    if let shape = shape(0) { seen[0] = ValueFacts(type: .tensor(dataType(0), LastChannels.toFirst(shape))) }
    return InferenceContext(node: node, inputs: seen, symbolPrefix: symbolPrefix, inferBody: inferBody)
  }
}
