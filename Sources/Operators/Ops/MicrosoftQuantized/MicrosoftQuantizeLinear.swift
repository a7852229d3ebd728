import GraphIR
import Tensors

/// com.microsoft.QuantizeLinear: the standard's, of 4- and 16-bit integers before it had them. Without `axis` the scale is one
/// number. A node that the standard's can say becomes one in the canonical form.
struct QuantizeLinearMicrosoft: Operator {
  let name = OperatorName("QuantizeLinear", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QuantizeLinear 1 2 3 1 1
    a axis int
    i x T1
    i y_scale T1
    i? y_zero_point T2
    o y T2
    c T1 tensor(*):float16,float
    c T2 tensor(*):int8,uint8,int16,uint16,int4,uint4
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    try MicrosoftScales.check(context)
    context.set(0, context.hasInput(2) ? context.dataType(2) : .uint8, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    _ = try context.inferredOutputs(by: self)
    return [
      .tensor(
        try QuantizeLinear.compute(
          context.tensor(0), context.tensor(1), context.optionalTensor(2),
          type: context.optionalTensor(2)?.dataType ?? .uint8, axis: context.attributes.int("axis", default: 0)))
    ]
  }
}

/// What com.microsoft's QuantizeLinear and DequantizeLinear ask of their scales.
enum MicrosoftScales {
  static func check(_ context: InferenceContext) throws {
    guard let scale = context.type(1)?.concreteShape else { return }
    if scale.reduce(1, *) != 1 || context.attributes.has("axis") && scale.count > 1 {
      guard context.attributes.has("axis"), scale.count == 1 else {
        throw CameoError.badInput(
          "a scale of shape \(scale) \(context.attributes.has("axis") ? "" : "without an axis")")
      }
    }
    if let zero = context.type(2)?.concreteShape, zero.reduce(1, *) != scale.reduce(1, *) {
      throw CameoError.badInput("a scale of shape \(scale) and a zero point of shape \(zero)")
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QuantizeLinearMicrosoft(), to: $0) })
