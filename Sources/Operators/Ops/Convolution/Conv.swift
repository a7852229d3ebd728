import GraphIR
import Tensors

/// Conv: grouped, dilated convolution, channel-first, any number of spatial axes up to 3.
struct Conv: Operator {
  let name = OperatorName("Conv")

  func infer(_ context: inout InferenceContext) throws {
    try Conv.infer(&context, weights: 1, type: context.dataType(0) ?? context.dataType(1))
  }

  /// Shape of a convolution of input 0 with the weights at `weights`; ConvInteger and QLinearConv share it.
  static func infer(_ context: inout InferenceContext, weights: Int, type: DataType?) throws {
    let x = context.shape(0)
    let w = context.shape(weights)
    guard let rank = x?.count ?? w?.count else { return context.set(0, type, nil) }
    guard rank >= 2, x == nil || w == nil || x?.count == w?.count else {
      throw CameoError.badInput(
        "the input has rank \(x?.count ?? rank) and the weights \(w?.count ?? rank), one rank of 3 or more was expected"
      )
    }
    if let x, let w {
      let groups = try context.attributes.int("group", default: 1)
      guard groups > 0 else { throw CameoError.badInput("attribute group is \(groups), 1 or more was expected") }
      _ = try context.unify(x[1], w[1] * Dim(groups), "channels of the input and of the weights times group")
    }
    let window = try NNWindow.ofWeights(w.map { Array($0.dropFirst(2)) }, context.attributes)
    var spatial: [Dim]
    if let window, let x {
      spatial = try window.window.outputs(Array(x.dropFirst(2)), kernel: window.sizes)
    } else {
      spatial = context.unknownShape(rank: rank - 2)
    }
    spatial.insert(w?[0] ?? context.unknownDim(), at: 0)
    spatial.insert(x?[0] ?? context.unknownDim(), at: 0)
    context.set(0, type, spatial)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let w = try context.tensor(1)
    let bias = try context.optionalTensor(2)
    let result =
      x.dataType == .double
      ? try Conv.compute(context, x, w, bias, as: x.dataType, Double.self)
      : try Conv.compute(context, x, w, bias, as: x.dataType, Float.self)
    return [.tensor(result)]
  }

  static func compute<T: NNConvolvable>(
    _ context: EvaluationContext, _ x: Tensor, _ w: Tensor, _ bias: Tensor?, as type: DataType, _: T.Type
  ) throws -> Tensor {
    guard x.rank >= 2, x.rank == w.rank else { throw CameoError.badInput("an input \(x) against weights \(w)") }
    let groups = try context.attributes.int("group", default: 1)
    guard groups > 0, w.shape[0] % groups == 0, x.shape[1] == w.shape[1] * groups else {
      throw CameoError.badInput("channels do not fit: X \(x), W \(w), group \(groups)")
    }
    if let bias, bias.count != w.shape[0] {
      throw CameoError.badInput("the bias is \(bias), \(w.shape[0]) elements, one a channel, were expected")
    }
    let geometry = try NNWindow(context.attributes, kernel: Array(w.shape[2...])).resolved(Array(x.shape[2...]))
    let input = try ElementView<T>(x)
    let weights = try ElementView<T>(w)
    let added = try bias.map { try ElementView<T>($0) }
    return try Tensor.make(type, [x.shape[0], w.shape[0]] + geometry.output, as: T.self) { y in
      try NNConvolution.forward(
        y, input.base, weights.base, bias: added?.base, batch: x.shape[0], channels: x.shape[1],
        outChannels: w.shape[0],
        groups: groups, geometry, inDouble: context.accumulatesInDouble)
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Conv(), to: $0) })
