import GraphIR
import Operators
import PassKit
import Tensors

/// Integer products whose sums are scaled to floats become one node, with the bias and the activation behind them.
///
/// Before: `q, s, z = DynamicQuantizeLinear(x); Relu(Add(Mul(Cast(MatMulInteger(q, W, z, wz)), Mul(s, w)), b))`.
/// After: `ai.cameo.IntegerMatMul<activation="Relu">(q, s, z, W, w, wz, b)`. ConvInteger becomes `ai.cameo.IntegerConv`.
public enum UseDynamicProducts {
  public static let pass = RewritePass(
    "UseDynamicProducts", level: 3, summary: "scales the sums of integer products where they are made", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "DynamicProduct"
    let anchors: Set<OperatorName> = [OperatorName("MatMulInteger"), OperatorName("ConvInteger")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      let node = graph[id]
      guard let data = node.input(0), let right = node.input(1) else { return nil }
      guard let weights = graph.constant(right) else { throw Refusal("its weights are computed", at: id) }
      let isConv = node.is("ConvInteger")
      guard isConv || weights.rank == 2 else { throw Refusal("its weights have the shape \(weights.shape)", at: id) }
      let channels = isConv ? weights.shape[0] : weights.shape[1]
      guard node.input(2) == nil || context.shape(node.input(2))?.allSatisfy({ $0 == 1 }) ?? false else {
        throw Refusal("its data has a zero point for each row", at: id)
      }
      var chain = try Chain(id, context)
      let (dataScale, weightScale) = try chain.scales(channels: channels, spatial: isConv ? weights.rank - 2 : 0)
      var change = GraphChange(rule: name, covers: [], isFusion: true)
      let one = change.constant(try Tensor.scalar(1, .float))
      let bias = try chain.bias(channels: channels, spatial: isConv ? weights.rank - 2 : 0)
      var attributes = isConv ? node.attributes.filter { $0.name != "kernel_shape" } : []
      if let (name, parameters) = try chain.activation() {
        attributes.append(NamedAttribute("activation", .string(name)))
        if !parameters.isEmpty { attributes.append(NamedAttribute("activation_params", .floats(parameters))) }
      }
      change.covers = chain.covers
      change.region = node.region
      var inputs: [GraphChange.Ref?] = [
        .existing(data), dataScale.map { .existing($0) } ?? one, node.input(2).map { .existing($0) }, .existing(right),
        try weightScale.map { change.constant(try $0.reshaped($0.count == 1 ? [] : [$0.count])) } ?? one,
        node.input(3).map { .existing($0) },
      ]
      if let bias { inputs.append(change.constant(try bias.reshaped([bias.count]))) }
      while case .some(.none) = inputs.last { inputs.removeLast() }
      if isConv { attributes.append(NamedAttribute("channels_first", .int(1))) }
      var made = change.node(
        isConv ? "IntegerConv" : "IntegerMatMul", domain: "ai.cameo", inputs, attributes, name: node.name)
      if isConv {
        made = change.node(
          "Transpose", [made], [NamedAttribute("perm", .ints(LayoutView.toFirst(weights.rank)))], covers: [])
      }
      change.replace(chain.value, with: made)
      return change
    }
  }
}

/// The nodes behind an integer product that nothing else reads, one after the other.
private struct Chain {
  private let context: PassContext
  private let graph: Graph
  private(set) var covers: [NodeID]
  private(set) var value: ValueID

  /// Starts behind the Cast to float.
  init(_ product: NodeID, _ context: PassContext) throws {
    self.context = context
    graph = context.graph
    guard let sums = graph[product].output(0), graph.hasSingleUse(sums), let cast = graph.consumers(sums).first,
      graph[cast].is("Cast"), let floats = graph[cast].output(0), context.dataType(floats) == .float,
      graph[cast].region == graph[product].region
    else { throw Refusal("its sums are read as integers", at: product) }
    covers = [product, cast]
    value = floats
  }

  /// The node of that kind that alone reads the value, and its other operand.
  private func next(_ type: String) -> (id: NodeID, other: ValueID, result: ValueID)? {
    guard graph.hasSingleUse(value), let id = graph.consumers(value).first, graph[id].is(type),
      graph[id].region == graph[covers[0]].region, let a = graph[id].input(0), let b = graph[id].input(1),
      let result = graph[id].output(0), a != b
    else { return nil }
    return (id, a == value ? b : a, result)
  }

  private mutating func take(_ id: NodeID, _ result: ValueID) {
    covers.append(id)
    value = result
  }

  /// Scale of the data, one number computed or constant, and of the weights, constant: what the sums are multiplied by.
  mutating func scales(channels: Int, spatial: Int) throws -> (data: ValueID?, weights: Tensor?) {
    guard let (id, factor, result) = next("Mul") else { throw Refusal("its sums are not scaled", at: covers[0]) }
    func isWeights(_ tensor: Tensor?) -> Tensor? {
      guard let tensor, tensor.dataType == .float else { return nil }
      return tensor.count == 1 || Chain.fits(tensor, channels: channels, spatial: spatial) ? tensor : nil
    }
    func isOne(_ value: ValueID) -> Bool {
      context.dataType(value) == .float && context.shape(value)?.allSatisfy { $0 == 1 } ?? false
    }
    if let producer = graph.producer(factor), graph[producer].is("Mul"), graph[producer].region == graph[id].region,
      let a = graph[producer].input(0), let b = graph[producer].input(1)
    {
      for (data, weights) in [(a, b), (b, a)] {
        guard isOne(data), let tensor = isWeights(context.constant(weights)) else { continue }
        if graph.hasSingleUse(factor) { covers.append(producer) }
        take(id, result)
        return (data, tensor)
      }
    }
    if let tensor = isWeights(context.constant(factor)) {
      take(id, result)
      return (nil, tensor)
    }
    guard isOne(factor) else { throw Refusal("its sums are scaled by a computed tensor", at: id) }
    take(id, result)
    // The weights' scale may be a factor of its own.
    if let (second, other, scaled) = next("Mul"), let tensor = isWeights(context.constant(other)) {
      take(second, scaled)
      return (factor, tensor)
    }
    return (factor, nil)
  }

  /// True for one number an output channel: [C] behind a product, [C, 1, 1] behind a convolution.
  private static func fits(_ tensor: Tensor, channels: Int, spatial: Int) -> Bool {
    tensor.count == channels && tensor.rank > spatial
      && tensor.shape[tensor.rank - 1 - spatial] == channels
  }

  mutating func bias(channels: Int, spatial: Int) throws -> Tensor? {
    guard let (id, other, result) = next("Add"), let tensor = context.constant(other), tensor.dataType == .float,
      Chain.fits(tensor, channels: channels, spatial: spatial)
    else { return nil }
    take(id, result)
    return tensor
  }

  mutating func activation() throws -> (name: String, parameters: [Float])? {
    guard graph.hasSingleUse(value), let id = graph.consumers(value).first, graph[id].domain.isEmpty,
      graph[id].input(0) == value, graph[id].region == graph[covers[0]].region, let result = graph[id].output(0),
      let found = try FuseEpilogue.activation(graph[id], context)
    else { return nil }
    take(id, result)
    return found
  }
}
