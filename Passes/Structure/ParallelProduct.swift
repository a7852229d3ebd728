import GraphIR
import Operators
import PassKit
import Tensors

/// A product with constant weights, with what follows it alone: a constant bias for each channel, an activation.
struct ParallelProduct {
  let node: NodeID
  let data: ValueID
  /// The axis of the weights that counts output channels.
  let weightAxis: Int
  let weight: Tensor
  /// One number an output channel.
  var bias: Tensor?
  /// The Add behind a MatMul.
  var sum: NodeID?
  var activation: NodeID?
  /// The axis of the result that counts output channels.
  let outputAxis: Int
  let output: ValueID

  var channels: Int { weight.shape[weightAxis] }
  /// The value that readers see.
  func result(_ context: PassContext) -> ValueID? {
    context.graph[activation ?? sum ?? node].output(0)
  }
  var nodes: [NodeID] { [node] + [sum, activation].compactMap { $0 } }

  static let kinds: Set<String> = ["MatMul", "Gemm", "Conv"]
  static let activations: Set<String> = [
    "Relu", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Swish", "Mish",
    "Softplus",
  ]

  /// nil where the node is no product of plain data and constant weights. Throws a `Refusal` for one that cannot be merged.
  init?(_ id: NodeID, _ context: PassContext) throws {
    let graph = context.graph
    let source = graph[id]
    guard source.domain.isEmpty, Self.kinds.contains(source.type), let data = source.input(0),
      let weights = source.input(1), let weight = graph.constant(weights), let output = source.output(0),
      let rank = context.rank(output)
    else { return nil }
    guard weight.dataType != .string, weight.dataType.bitWidth % 8 == 0, weight.rank >= 2 else { return nil }
    guard graph.hasSingleUse(weights) else {
      throw Refusal("the weights are read elsewhere and would stand in the file twice", at: id)
    }
    node = id
    self.data = data
    self.weight = weight
    self.output = output
    let attributes = AttributeReader(source)
    switch source.type {
    case "MatMul":
      guard weight.rank == 2 else { return nil }
      weightAxis = 1
      outputAxis = rank - 1
    case "Gemm":
      guard weight.rank == 2 else { return nil }
      weightAxis = try attributes.int("transB", default: 0) == 0 ? 1 : 0
      outputAxis = 1
    default:
      guard weight.rank >= 3, try attributes.int("group", default: 1) == 1 else { return nil }
      weightAxis = 0
      outputAxis = 1
    }
    guard outputAxis >= 0, outputAxis < rank else { return nil }
    if let input = source.input(2) {
      guard let constant = graph.constant(input) else { throw Refusal("the bias is not constant", at: id) }
      guard let bias = try Self.channelBias(constant, channels) else {
        throw Refusal("the bias has not one number an output channel", at: id)
      }
      self.bias = bias
    }
    if source.type == "MatMul" { try takeSum(context) }
    takeActivation(context)
  }

  /// An Add of a constant behind the product.
  private mutating func takeSum(_ context: PassContext) throws {
    let graph = context.graph
    guard graph.hasSingleUse(output), let add = graph.consumers(output).first, graph[add].is("Add"),
      graph[add].region == graph[node].region, let result = graph[add].output(0), context.rank(result) == outputAxis + 1
    else { return }
    let other = graph[add].input(0) == output ? graph[add].input(1) : graph[add].input(0)
    guard let constant = graph.constant(other), constant.dataType == weight.dataType,
      let bias = try Self.channelBias(constant, channels)
    else { return }
    self.bias = bias
    sum = add
  }

  private mutating func takeActivation(_ context: PassContext) {
    let graph = context.graph
    guard let value = result(context), graph.hasSingleUse(value), let next = graph.consumers(value).first,
      graph[next].domain.isEmpty, Self.activations.contains(graph[next].type), graph[next].inputs.count == 1,
      graph[next].region == graph[node].region
    else { return }
    activation = next
  }

  /// `constant` as one number a channel, the channels being the last axis; nil where it varies along others.
  private static func channelBias(_ constant: Tensor, _ channels: Int) throws -> Tensor? {
    if constant.count == channels, constant.shape.last == channels { return try constant.reshaped([channels]) }
    guard constant.count == 1, constant.dataType.isFloatingPoint else { return nil }
    let number = try constant.scalar(as: Double.self)
    return try Tensor.make(constant.dataType, [channels], as: Double.self) { out in
      for index in 0..<channels { out[index] = number }
    }
  }

  /// True where both can be one product: the same operator and attributes, weights that differ in the channels alone.
  func fits(_ other: ParallelProduct, _ context: PassContext) -> Bool {
    let a = context.graph[node]
    let b = context.graph[other.node]
    guard a.operatorName == b.operatorName, a.region == b.region, data == other.data, outputAxis == other.outputAxis,
      weight.dataType == other.weight.dataType, weight.rank == other.weight.rank,
      Movement.haveSameAttributes(a, b, ignoring: ["kernel_shape"])
    else { return false }
    return weight.shape.indices.allSatisfy { $0 == weightAxis || weight.shape[$0] == other.weight.shape[$0] }
  }
}
