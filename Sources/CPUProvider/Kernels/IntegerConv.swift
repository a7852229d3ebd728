internal import CKernels
import GraphIR
import InferenceRuntime
import Operators
import Tensors

/// Convolutions of 8-bit images by constant weights: IntegerConv, QLinearConv of both domains and ConvInteger. Images and results whose
/// channels come first are moved. Exact, as the products.
enum IntegerConvKernels {
  static let makers: [String: CPUProvider.Maker] = [
    "ai.cameo.IntegerConv": { request in
      let isFirst = try request.attributes.bool("channels_first")
      return try make(
        request, .fused, first: (isFirst, false), activation: try ck_activation(request.attributes))
    },
    "ConvInteger": { try make($0, .plain, first: (true, true)) },
    "QLinearConv": { try make($0, .qLinearConv, first: (true, true)) },
    "com.microsoft.QLinearConv": {
      let isFirst = try !$0.attributes.bool("channels_last")
      return try make($0, .qLinearConv, first: (isFirst, isFirst))
    },
  ]

  /// `first`: whether the channels of the image and of the result come first.
  private static func make(
    _ request: KernelRequest, _ roles: IntegerRoles, first: (image: Bool, result: Bool),
    activation: ck_activation = .none
  ) throws -> PreparedKernel {
    let (x, w, y) = (try request.operand(roles.a), try request.operand(roles.b), try request.result())
    guard x.type == .uint8 || x.type == .int8, x.rank >= 3, w.rank == x.rank, y.rank == x.rank else {
      throw Refusal("an image \(x.type)\(x.shape)")
    }
    guard [.int32, .float, .uint8, .int8].contains(y.type) else { throw Refusal("a result of \(y.type)") }
    guard let filters = w.constant else { throw Refusal("weights that are not constant") }
    let last = x.rank - 1
    let window = try Window(
      request.attributes, kernel: Array(w.shape[2...]), input: Array(x.shape[first.image ? 2...last : 1...last - 1]),
      output: Array(y.shape[first.result ? 2...last : 1...last - 1]))
    let groups = try request.attributes.int("group", default: 1)
    let (channels, all) = (w.shape[1], x.shape[first.image ? 1 : last])
    guard groups > 0, channels > 0, all == channels * groups, w.shape[0] % groups == 0, w.shape[0] > 0,
      y.shape[first.result ? 1 : last] == w.shape[0]
    else { throw Refusal("\(groups) groups") }
    let (batch, n) = (x.shape[0], w.shape[0] / groups)
    let zeros = roles.bZero.flatMap { request.input($0) }
    var geometry = window.c
    let isDepthwise =
      groups == all && n == 1 && groups > 1 && ck_int8_is_depthwise(&geometry)
      && (zeros.map { $0.constant != nil } ?? true)
    let weights: IntegerWeights
    if isDepthwise {
      weights = try IntegerWeights(
        request, filters, depthwise: window, channels: all, zeros: try packedZeros(zeros?.constant, w.type, all))
    } else if window.isPointwise {
      // A product reads the image in place where each position is a row of it.
      weights = try IntegerWeights(request, w, k: channels, n: n, matrices: groups, strides: (1, channels))
    } else {
      weights = try IntegerWeights(
        request, filters, channels: channels, n: n, groups: groups, window: window, pitch: all)
    }
    let counts =
      isDepthwise
      ? IntegerParameters.Counts(n: all, k: window.taps)
      : IntegerParameters.Counts(n: n, sets: groups, matrices: groups, k: channels * window.taps)
    let parameters = try IntegerParameters(request, roles, counts, activation: activation)
    let residual = roles.z.flatMap { request.input($0) }
    if let residual, residual.shape != y.shape { throw Refusal("a residual of the shape \(residual.shape)") }
    var left: IntegerKernel.Left
    var right: IntegerKernel.Right
    if isDepthwise {
      left = .init(m: batch * window.c.out.1, pitch: all, k: window.taps, offsets: [0], isDepthwise: true)
      right = .init(matrices: [0], offsets: [0], ldc: all)
    } else {
      left = .init(
        m: batch * window.outputCount, pitch: all, k: channels, offsets: (0..<groups).map { $0 * channels })
      right = .init(matrices: Array(0..<groups), offsets: (0..<groups).map { $0 * n }, ldc: w.shape[0])
    }
    if isDepthwise || !window.isPointwise { left.image = (window, window.inputCount * all) }
    if first.image { left.moves = (batch, all, window.inputCount) }
    if first.result { right.moves = (batch, w.shape[0], window.outputCount, y.type.bitWidth / 8) }
    let kernel = try IntegerKernel(
      isDepthwise ? "depthwise" : window.isPointwise ? "pointwise" : "conv", request, roles, weights, parameters, left,
      right)
    return PreparedKernel(
      kernel, scratchBytes: kernel.scratchBytes,
      inPlaceInputs: residual?.type == y.type ? [roles.z].compactMap { $0 } : [], unreadInputs: [roles.b])
  }

  /// Zero points of weights in the numbers as they are packed, one a channel; nil where all are 0.
  private static func packedZeros(_ tensor: Tensor?, _ type: DataType, _ channels: Int) throws -> [Int32]? {
    let offset = type == .int8 ? 0 : 128
    let given = try tensor.map { try $0.ints() } ?? [0]
    guard given.count == 1 || given.count == channels else { throw Refusal("\(given.count) zero points") }
    let zeros = (0..<channels).map { Int32(given[given.count == 1 ? 0 : $0] - offset) }
    return zeros.allSatisfy { $0 == 0 } ? nil : zeros
  }
}
