import GraphIR
import Tensors

/// ConvInteger: int32 sums of 8-bit products less the zero points.
struct ConvInteger: Operator {
  let name = OperatorName("ConvInteger")

  func infer(_ context: inout InferenceContext) throws { try Conv.infer(&context, weights: 1, type: .int32) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try NNIntegers.shifted(context.tensor(0), context.optionalTensor(2), axis: 1)
    let w = try NNIntegers.shifted(context.tensor(1), context.optionalTensor(3), axis: 0)
    return [.tensor(try Conv.compute(context, x, w, nil, as: .int32, Int64.self))]
  }
}

/// QLinearConv: a convolution of quantized tensors, quantized again; weights per tensor or per output channel.
struct QLinearConv: Operator {
  let name = OperatorName("QLinearConv")

  func infer(_ context: inout InferenceContext) throws {
    try Conv.infer(&context, weights: 3, type: context.dataType(7))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try NNIntegers.shifted(context.tensor(0), context.tensor(2), axis: 1)
    let w = try NNIntegers.shifted(context.tensor(3), context.tensor(5), axis: 0)
    let sums = try Conv.compute(context, x, w, context.optionalTensor(8), as: .int32, Int64.self)
    let xScale = try context.scalar(1, as: Double.self)
    let yScale = try context.scalar(6, as: Double.self)
    let weightScale = try context.tensor(4)
    let scales = try ElementView<Double>(weightScale)
    let place = try NNIntegers.position(weightScale, in: sums.shape, axis: 1)
    let zero = try context.tensor(7)
    let zeroPoint = try zero.scalar(as: Int64.self)
    return [
      .tensor(
        try NNIntegers.requantized(
          sums, { xScale * scales[place($0)] / yScale }, zero: { _ in zeroPoint }, as: zero.dataType))
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ConvInteger(), to: $0) })
@used @section("cameo_operators")
private let linearRegistration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearConv(), to: $0) })
