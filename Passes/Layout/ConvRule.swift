import GraphIR
import Operators
import PassKit
import Tensors

/// Conv and FusedConv of images and volumes. The first layer of a network takes its image as it comes.
struct ConvRule: RewriteRule {
  let name = "ChannelsLastConv"
  let anchors: Set<OperatorName> = [OperatorName("Conv"), OperatorName("FusedConv", domain: "ai.cameo")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    guard let x = node.input(0), let rank = context.rank(x), rank == 4 || rank == 5, context.dataType(x) == .float,
      let weights = try ConvRule.weights(node.input(1), context), weights.count == rank
    else { return nil }
    let groups = try AttributeReader(node).int("group", default: 1)
    guard groups > 0, weights[0] % groups == 0 else { return nil }
    let (channels, outChannels) = (weights[1], weights[0] / groups)
    // Narrow groups would leave most of a vector empty; one filter a channel has a kernel of its own.
    guard groups == 1 || outChannels >= 16 || (channels == 1 && outChannels == 1) else { return nil }
    var change = view.change(name)
    var inputs: [GraphChange.Ref?] = node.inputs.map { $0.map { .existing($0) } }
    var attributes = node.attributes
    if view.source(x) == nil && readsChannelsFirst(node, weights, groups) {
      attributes.append(NamedAttribute("channels_first", .int(1)))
    } else {
      inputs[0] = view.last(x, rank: rank, &change)
    }
    if let residual = node.input(3) { inputs[3] = view.last(residual, rank: rank, &change) }
    let result = change.node("ChannelsLastConv", domain: "ai.cameo", inputs, attributes, name: node.name)
    view.finish(&change, result, rank: rank)
    return change
  }

  /// The shape of constant weights, dequantized ones among them; nil for computed ones.
  static func weights(_ value: ValueID?, _ context: PassContext) throws -> [Int]? {
    if let tensor = context.constant(value) { return tensor.shape }
    guard let value, let producer = context.graph.producer(value), context.graph[producer].is("DequantizeLinear"),
      context.graph[producer].inputs.allSatisfy({ $0 == nil || context.constant($0) != nil })
    else { return nil }
    return context.constant(context.graph[producer].input(0))?.shape
  }

  /// A network's first layer has a kernel that reads the few channels of its image where they stand.
  private func readsChannelsFirst(_ node: Node, _ weights: [Int], _ groups: Int) -> Bool {
    weights.count == 4 && groups == 1 && node.input(3) == nil && weights[1] <= 4 && weights[0] >= 8
      && weights[1] * weights[2] <= 64
  }
}

/// ConvTranspose of images behind a channels-last value.
struct ConvTransposeRule: RewriteRule {
  let name = "ChannelsLastConvTranspose"
  let anchors: Set<OperatorName> = [OperatorName("ConvTranspose")]

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let view = LayoutView(id, context)
    let node = view.node
    let reader = AttributeReader(node)
    guard let source = view.source(node.input(0)), context.rank(source) == 4, context.dataType(source) == .float,
      try ConvRule.weights(node.input(1), context) != nil, try reader.int("group", default: 1) == 1,
      try ["NOTSET", ""].contains(reader.string("auto_pad", default: "NOTSET")),
      try reader.optionalInts("output_shape") ?? [] == []
    else { return nil }
    var change = view.change(name)
    var inputs: [GraphChange.Ref?] = node.inputs.map { $0.map { .existing($0) } }
    inputs[0] = .existing(source)
    let result = change.node("ChannelsLastConvTranspose", domain: "ai.cameo", inputs, node.attributes, name: node.name)
    view.finish(&change, result, rank: 4)
    return change
  }
}
