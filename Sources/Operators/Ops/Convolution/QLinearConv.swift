import GraphIR
import Tensors

/// QLinearConv: a convolution of quantized tensors, quantized again; weights per tensor or per output channel.
struct QLinearConv: Operator {
  let name = OperatorName("QLinearConv")

  func infer(_ context: inout InferenceContext) throws {
    try Conv.infer(&context, weights: 3, type: context.dataType(7))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    [.tensor(try QLinearConv.compute(context, context.tensor(0)))]
  }

  /// The convolution of `x` [N, C, ..] by the node's other inputs: round((sum + bias) * (sX sW / sY)) + zY, the factor and the
  /// product in float.
  static func compute(_ context: EvaluationContext, _ x: Tensor) throws -> Tensor {
    let zero = try context.tensor(7)
    let from = try QuantizedScale(context, scale: 1, zero: 2, of: x.dataType)
    let to = try QuantizedScale(context, scale: 6, zero: 7, of: zero.dataType)
    guard Quantized.isEightBit(zero.dataType) else { throw CameoError.badInput("the zero point of y is \(zero)") }
    let w = try context.tensor(3)
    let sums = try WholeConvolution.compute(
      context, WholeNumbers.centered(x, context.tensor(2), axis: 1),
      WholeNumbers.centered(w, context.tensor(5), axis: 0))
    let channels = w.shape[0]
    let bias = try context.optionalTensor(8)
    if let bias, bias.dataType != .int32 || bias.count != channels {
      throw CameoError.badInput("a bias \(bias) for \(channels) channels; int32 was expected")
    }
    let scales = try context.tensor(4)
    guard scales.count == 1 || scales.rank == 1 && scales.count == channels else {
      throw CameoError.badInput("a scale \(scales) for weights of \(channels) channels")
    }
    let factors = try scales.elements(as: Float.self).map { from.scale * $0 / to.scale }
    return try Requantization.planes(
      sums, bias: bias, scales: factors, zero: to.zero, as: zero.dataType, channels: max(1, channels),
      inner: max(1, sums.shape[2...].reduce(1, *)))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearConv(), to: $0) })
