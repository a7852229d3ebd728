import GraphIR
import Tensors

/// ConvInteger: int32 sums of 8-bit products less the zero points.
struct ConvInteger: Operator {
  let name = OperatorName("ConvInteger")

  func infer(_ context: inout InferenceContext) throws { try Conv.infer(&context, weights: 1, type: .int32) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try WholeNumbers.centered(context.tensor(0), context.optionalTensor(2), axis: 1)
    let w = try WholeNumbers.centered(context.tensor(1), context.optionalTensor(3), axis: 0)
    return [.tensor(try WholeConvolution.compute(context, x, w))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ConvInteger(), to: $0) })
