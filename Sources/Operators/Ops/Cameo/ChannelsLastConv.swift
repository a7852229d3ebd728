import GraphIR
import Tensors

/// ai.cameo.ChannelsLastConv(X, W, B?, Z?): FusedConv of X [N, spatial.., C] with weights as Conv has them ([M, C / group, ..]),
/// bias B [M] and residual Z of the result's shape [N, spatial.., M]. `channels_first` 1: X is [N, C, spatial..] (a network's first layer
/// reads the image as it comes); the result's channels are last all the same.
struct ChannelsLastConv: Operator {
  let name = OperatorName("ChannelsLastConv", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O ChannelsLastConv 1 2 4 1 1
    a activation string
    a activation_params floats
    a auto_pad string=NOTSET
    a channels_first int=0
    a dilations ints
    a group int=1
    a kernel_shape ints
    a pads ints
    a strides ints
    i X T
    i W T
    i? B T
    i? Z T
    o Y T
    c T tensor(*):float,float16,bfloat16,double
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    _ = try FusedActivation(context.attributes)
    let type = context.dataType(0) ?? context.dataType(1)
    context.set(0, type, try ChannelsLastConv.shape(&context, context.shape(1)))
  }

  /// The result's shape for weights of the shape `w`; nil where no rank is known.
  static func shape(_ context: inout InferenceContext, _ w: [Dim]?) throws -> [Dim]? {
    let isFirst = try context.attributes.bool("channels_first")
    let x = context.shape(0).map { isFirst ? ChannelsLast.moved($0) : $0 }
    guard let rank = x?.count ?? w?.count else { return nil }
    guard rank >= 3, x == nil || w == nil || x?.count == w?.count else {
      throw CameoError.badInput("an input of rank \(x?.count ?? rank) against weights of rank \(w?.count ?? rank)")
    }
    let groups = try context.attributes.int("group", default: 1)
    guard groups > 0 else { throw CameoError.badInput("attribute group is \(groups), 1 or more was expected") }
    if let x, let w {
      _ = try context.unify(x[rank - 1], w[1] * Dim(groups), "channels of the input and of the weights times group")
    }
    let window = try NNWindow.ofWeights(w.map { Array($0.dropFirst(2)) }, context.attributes)
    var shape: [Dim]
    if let window, let x {
      shape = try window.window.outputs(Array(x[1..<rank - 1]), kernel: window.sizes)
    } else {
      shape = context.unknownShape(rank: rank - 2)
    }
    shape.insert(x?[0] ?? context.unknownDim(), at: 0)
    shape.append(w?[0] ?? context.unknownDim())
    return shape
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let first = try context.attributes.bool("channels_first") ? context : ChannelsLast.first(context)
    let x = try first.tensor(0)
    let plain = try Conv.compute(first, x, first.tensor(1), first.optionalTensor(2), as: .float, Float.self)
    let sum = try FusedProduct.finish(
      context, try ChannelsLast.toLast(plain), adding: [try context.optionalTensor(3)], as: x.dataType)
    return [.tensor(sum)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ChannelsLastConv(), to: $0) })
