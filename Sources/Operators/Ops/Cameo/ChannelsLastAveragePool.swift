import GraphIR
import Tensors

/// ai.cameo.ChannelsLastAveragePool(X): AveragePool of X [N, spatial.., C], the result [N, positions.., C].
struct ChannelsLastAveragePool: Operator {
  let name = OperatorName("ChannelsLastAveragePool", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O ChannelsLastAveragePool 1 1 1 1 1
    a auto_pad string=NOTSET
    a ceil_mode int=0
    a count_include_pad int=0
    a dilations ints
    a kernel_shape ints!
    a pads ints
    a strides ints
    i X T
    o Y T
    c T tensor(*):float,float16,bfloat16,double
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, context.dataType(0), try ChannelsLast.pooledShape(context))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    try ChannelsLast.evaluate(AveragePool(), context)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ChannelsLastAveragePool(), to: $0) })
