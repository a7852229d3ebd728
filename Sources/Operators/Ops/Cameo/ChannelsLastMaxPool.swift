import GraphIR
import Tensors

/// ai.cameo.ChannelsLastMaxPool(X): MaxPool of X [N, spatial.., C], the result [N, positions.., C].
struct ChannelsLastMaxPool: Operator {
  let name = OperatorName("ChannelsLastMaxPool", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O ChannelsLastMaxPool 1 1 1 1 1
    a auto_pad string=NOTSET
    a ceil_mode int=0
    a dilations ints
    a kernel_shape ints!
    a pads ints
    a strides ints
    i X T
    o Y T
    c T tensor(*):float,float16,bfloat16,double,int8,uint8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(0), try ChannelsLast.pooledShape(context))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    try ChannelsLast.evaluate(MaxPool(), context)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ChannelsLastMaxPool(), to: $0) })
