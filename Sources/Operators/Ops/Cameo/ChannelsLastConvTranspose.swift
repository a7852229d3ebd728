import GraphIR
import Tensors

/// ai.cameo.ChannelsLastConvTranspose(X, W, B?): ConvTranspose of X [N, spatial.., C] with weights as ConvTranspose has them
/// ([C, M / group, ..]); the result is [N, spatial.., M].
struct ChannelsLastConvTranspose: Operator {
  let name = OperatorName("ChannelsLastConvTranspose", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O ChannelsLastConvTranspose 1 2 3 1 1
    a auto_pad string=NOTSET
    a dilations ints
    a group int=1
    a kernel_shape ints
    a output_padding ints
    a output_shape ints
    a pads ints
    a strides ints
    i X T
    i W T
    i? B T
    o Y T
    c T tensor(*):float,float16,bfloat16,double
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    let x = context.shape(0).map { shape in
      shape.count < 3 ? shape : ChannelsLast.toFirst(shape.count).map { shape[$0] }
    }
    guard let shape = try ConvTranspose.shape(&context, x) else {
      return context.set(0, context.dataType(0) ?? context.dataType(1), nil)
    }
    context.set(
      0, context.dataType(0) ?? context.dataType(1),
      shape.count < 3 ? shape : ChannelsLast.toLast(shape.count).map { shape[$0] })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    try ChannelsLast.evaluate(ConvTranspose(), context)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ChannelsLastConvTranspose(), to: $0) })
