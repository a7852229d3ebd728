import GraphIR
import Tensors

/// ai.cameo.IntegerConv: a convolution of 8-bit numbers in exact int32 sums (which wrap), with what `IntegerEpilogue` does to each.
///
/// X [N, spatial.., C], or [N, C, spatial..] with `channels_first`, less its zero point, which padding counts as; W [M, C / group, kernel..]
/// as Conv has it, less one zero point or one an output channel (absent ones are 0). Z and Y are [N, spatial.., M]. Z is float, or 8-bit
/// with `z_scale`; Y is float, or with `y_scale` and `y_zero` of y_zero's type.
struct IntegerConv: Operator {
  private typealias Input = IntegerEpilogue.Input

  let name = OperatorName("IntegerConv", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O IntegerConv 1 5 12 1 1
    a activation string
    a activation_params floats
    a auto_pad string=NOTSET
    a channels_first int=0
    a dilations ints
    a group int=1
    a kernel_shape ints
    a pads ints
    a strides ints
    i X TX
    i x_scale T
    i? x_zero TX
    i W TW
    i w_scale T
    i? w_zero TW
    i? bias T
    i? y_scale T
    i? y_zero TQ
    i? Z TZ
    i? z_scale T
    i? z_zero TR
    o Y TY
    c T tensor(*):float
    c TX tensor(*):uint8,int8
    c TW tensor(*):uint8,int8
    c TQ tensor(*):uint8,int8
    c TR tensor(*):uint8,int8
    c TY tensor(*):float,uint8,int8
    c TZ tensor(*):float,uint8,int8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    let w = context.shape(Input.b)
    let type = try IntegerEpilogue.infer(&context, columns: w?.first)
    let shape = try ChannelsLastConv.shape(&context, w)
    context.set(0, type, try IntegerEpilogue.unify(&context, shape))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (given, w) = (try context.tensor(Input.a), try context.tensor(Input.b))
    guard given.rank >= 3, given.rank == w.rank else {
      throw CameoError.badInput("an input \(given) against weights \(w)")
    }
    let x = try context.attributes.bool("channels_first") ? given : LastChannels.toFirst(given)
    try IntegerEpilogue.checkZero(context, columns: w.shape[0])
    let sums = try WholeConvolution.compute(
      context, WholeNumbers.centered(x, context.optionalTensor(Input.aZero), axis: 1),
      WholeNumbers.centered(w, context.optionalTensor(Input.bZero), axis: 0))
    return [.tensor(try IntegerEpilogue.finish(context, LastChannels.toLast(sums), columns: max(1, w.shape[0])))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(IntegerConv(), to: $0) })
