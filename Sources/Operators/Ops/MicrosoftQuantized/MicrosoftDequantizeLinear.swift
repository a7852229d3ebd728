import GraphIR
import Tensors

/// com.microsoft.DequantizeLinear: the standard's, of 4- and 16-bit integers before it had them. Without `axis` the scale is
/// one number. A node that the standard's can say becomes one in the canonical form.
struct DequantizeLinearMicrosoft: Operator {
  let name = OperatorName("DequantizeLinear", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O DequantizeLinear 1 2 3 1 1
    a axis int
    i x T1
    i x_scale T2
    i? x_zero_point T1
    o y T2
    c T1 tensor(*):int8,uint8,int16,uint16,int32,int4,uint4
    c T2 tensor(*):float16,float
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try MicrosoftScales.check(context)
    context.set(0, context.dataType(1), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    _ = try context.inferredOutputs(by: self)
    let scale = try context.tensor(1)
    return [
      .tensor(
        try DequantizeLinear.compute(
          context.tensor(0), scale, context.optionalTensor(2), type: scale.dataType,
          axis: context.attributes.int("axis", default: 0)))
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DequantizeLinearMicrosoft(), to: $0) })
