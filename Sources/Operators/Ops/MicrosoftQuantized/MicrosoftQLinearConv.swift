import GraphIR
import Tensors

/// com.microsoft.QLinearConv: the standard's QLinearConv, with `channels_last` for x and y of [N, .., C]; the weights stay
/// [M, C / group, ..].
struct QLinearConvMicrosoft: Operator {
  let name = OperatorName("QLinearConv", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QLinearConv 1 8 9 1 1
    a auto_pad string=NOTSET
    a channels_last int=0
    a dilations ints
    a group int=1
    a kernel_shape ints
    a pads ints
    a strides ints
    i x T1
    i x_scale tensor(float)
    i x_zero_point T1
    i w T2
    i w_scale tensor(float)
    i w_zero_point T2
    i y_scale tensor(float)
    i y_zero_point T3
    i? B T4
    o y T3
    c T1 tensor(*):int8,uint8
    c T2 tensor(*):int8,uint8
    c T3 tensor(*):int8,uint8
    c T4 tensor(*):int32
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    guard try context.attributes.bool("channels_last") else {
      return try Conv.infer(&context, weights: 3, type: context.dataType(7))
    }
    var seen = context.channelsFirst()
    try Conv.infer(&seen, weights: 3, type: context.dataType(7))
    context.set(0, context.dataType(7), seen.outputs[0].shape.map(LastChannels.toLast))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    guard try context.attributes.bool("channels_last") else { return [.tensor(try QLinearConv.compute(context, x))] }
    return [.tensor(try LastChannels.toLast(try QLinearConv.compute(context, try LastChannels.toFirst(x))))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(QLinearConvMicrosoft(), to: $0) })
