import GraphIR
import Operators
import PassKit
import Tensors

/// Products and convolutions of dequantized numbers become products of the integers; what follows a product goes into its epilogue.
///
/// Before: `QuantizeLinear(ChannelsLastConv<activation="Relu">(DequantizeLinear(x, s, z), DequantizeLinear(W, w), b), t, u)`.
/// After: `ai.cameo.IntegerConv<activation="Relu">(x, s, z, W, w, , b, t, u)`. `FusedMatMul`, `MatMul` and `Gemm` become
/// `ai.cameo.IntegerMatMul`. A product that nothing quantizes afterwards, or that is read as floats, too, gives floats.
///
/// An Add of a value of the result's shape goes into a product that gives floats and has no activation: the same sum, rounded as before.
///
/// Constant weights of 4 bits are widened. Sums of integers are exact: the result differs from the product of the dequantized floats by
/// that one's rounding. It runs after layouts are chosen and epilogues are fused, in Cameo only.
public enum UseIntegerProducts {
  public static let pass = RewritePass(
    "UseIntegerProducts", level: 3, summary: "multiplies quantized numbers as integers",
    rules: [Rule(), ProductResidual.integers])

  /// What becomes a product of integers, or says itself why it does not.
  static let products: Set<OperatorName> = [
    OperatorName("Conv"), OperatorName("MatMul"), OperatorName("Gemm"), OperatorName("FusedConv", domain: "ai.cameo"),
    OperatorName("FusedMatMul", domain: "ai.cameo"), OperatorName("ChannelsLastConv", domain: "ai.cameo"),
  ]

  struct Rule: RewriteRule {
    let name = "IntegerProduct"
    let anchors = UseIntegerProducts.products

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      guard let operands = try IntegerOperands(id, context) else { return nil }
      var change = GraphChange(rule: name, covers: operands.covers, isFusion: true)
      let node = context.graph[id]
      let isConv = node.type.hasSuffix("Conv")
      let isLast = node.type == "ChannelsLastConv"
      var inputs = try operands.factors(&change) + [try operands.bias(&change)]
      let result = try operands.result(&change)
      inputs += result.parameters + (try operands.residual(isLast: isLast, &change))
      while case .some(.none) = inputs.last { inputs.removeLast() }
      var attributes = node.attributes.filter { !["alpha", "beta", "transA", "kernel_shape"].contains($0.name) }
      if isConv && !isLast { attributes.append(NamedAttribute("channels_first", .int(1))) }
      var made = change.node(
        isConv ? "IntegerConv" : "IntegerMatMul", domain: "ai.cameo", inputs, attributes, name: node.name)
      if isConv && !isLast, let rank = context.rank(node.output(0)) {
        made = change.node(
          "Transpose", [made], [NamedAttribute("perm", .ints(LayoutView.toFirst(rank)))], covers: [])
      }
      change.replace(result.value, with: made)
      return change
    }
  }
}

/// The quantized factors of a product, what is added to it, and the QuantizeLinear behind it.
private struct IntegerOperands {
  let id: NodeID
  let context: PassContext
  let data: QuantizedValue
  let weights: QuantizedValue
  private let channels: Int
  private let quantize: QuantizedValue?
  private let biasNode: NodeID?
  private let residualValue: QuantizedValue?

  /// nil where neither factor is dequantized.
  init?(_ id: NodeID, _ context: PassContext) throws {
    let graph = context.graph
    let node = graph[id]
    self.id = id
    self.context = context
    let data = try QuantizedValue.dequantized(node.input(0), in: node.region, context)
    let weights = try QuantizedValue.dequantized(
      node.input(1), in: node.region, context, types: [.int8, .uint8, .int4, .uint4])
    if data == nil && weights == nil { return nil }
    guard let data else {
      // Weights alone are another matter: they are widened where they are multiplied.
      guard let producer = graph.producer(node.input(0)) else { throw Refusal("its data is float") }
      throw Refusal("its data is float: \(graph[producer].operatorName) makes it", at: producer)
    }
    guard graph.constant(data.data) == nil else { return nil }
    guard let weights, let codes = graph.constant(weights.data) else {
      throw Refusal("its right operand is not dequantized from constant integers")
    }
    try data.requirePlain()
    let axis: Int
    switch node.type {
    case "MatMul", "FusedMatMul", "Gemm":
      let reader = AttributeReader(node)
      guard codes.rank == 2 else { throw Refusal("its weights have the shape \(codes.shape), not a matrix's") }
      guard try !reader.bool("transA") else { throw Refusal("it transposes the data") }
      guard try reader.float("alpha", default: 1) == 1,
        try node.is("Gemm") ? reader.float("beta", default: 1) == 1 : true
      else { throw Refusal("it scales its terms") }
      axis = try reader.bool("transB") ? 0 : 1
    default: axis = 0
    }
    if !weights.isPlain {
      let given = weights.axis < 0 ? weights.axis + codes.rank : weights.axis
      guard weights.scales.count == 1 || given == axis else {
        throw Refusal(
          "the scales of the weights go along axis \(weights.axis), not the output channels", at: weights.node)
      }
    }
    channels = codes.shape[axis]
    self.data = data
    self.weights = weights
    quantize = try IntegerOperands.quantize(behind: node, context)
    biasNode = graph.producer(node.input(2)).flatMap { graph[$0].is("DequantizeLinear") ? $0 : nil }
    residualValue = try IntegerOperands.residual(node, context)
    if let bias = node.input(2), let shape = context.shape(bias) {
      let isRow = shape.last == Dim(channels) || shape.last == 1
      guard isRow, shape.dropLast().allSatisfy({ $0 == 1 }),
        context.constant(bias) != nil || biasNode != nil || shape.count == 1
      else { throw Refusal("its bias has the shape \(shape), not one number an output channel", at: id) }
    }
  }

  /// The QuantizeLinear that alone reads the node's result; nil where there is none of one scale and 8 bits.
  private static func quantize(behind node: Node, _ context: PassContext) throws -> QuantizedValue? {
    let graph = context.graph
    guard let output = node.output(0), graph.hasSingleUse(output), let next = graph.consumers(output).first,
      graph[next].is("QuantizeLinear"), graph[next].input(0) == output, graph[next].region == node.region,
      let result = graph[next].output(0), let found = try? QuantizedValue(next, result, context), found.isPlain
    else { return nil }
    return found
  }

  private static func residual(_ node: Node, _ context: PassContext) throws -> QuantizedValue? {
    guard node.type.hasSuffix("Conv"),
      let found = try? QuantizedValue.dequantized(node.input(3), in: node.region, context),
      found.isPlain, context.graph.constant(found.data) == nil
    else { return nil }
    return found
  }

  var covers: [NodeID] {
    [data.node, weights.node] + [biasNode, residualValue?.node].compactMap { $0 } + [id]
      + (quantize.map { [$0.node] } ?? [])
  }

  /// Data and weights, each with scale and zero point; zeros are left out.
  func factors(_ change: inout GraphChange) throws -> [GraphChange.Ref?] {
    func zero(_ value: QuantizedValue) -> GraphChange.Ref? {
      value.zeros.allSatisfy { $0 == 0 } ? nil : value.zero.map { .existing($0) }
    }
    return [
      .existing(data.data), .existing(data.scale), zero(data), try bytes(weights.data, &change),
      .existing(weights.scale), weights.zeros.allSatisfy { $0 == 0 } ? nil : try bytes(weights.zero, &change),
    ]
  }

  /// Codes of 4 bits, each in a byte of its own.
  private func bytes(_ value: ValueID?, _ change: inout GraphChange) throws -> GraphChange.Ref? {
    guard let value else { return nil }
    guard weights.type.bitWidth < 8, let codes = context.constant(value) else { return .existing(value) }
    let view = try ElementView<Int64>(codes)
    let wide = try Tensor.make(weights.type == .int4 ? .int8 : .uint8, codes.shape, as: Int64.self) { out in
      for index in 0..<view.count { out[index] = view[index] }
    }
    return change.constant(wide)
  }

  /// The bias as floats in a row.
  func bias(_ change: inout GraphChange) throws -> GraphChange.Ref? {
    guard let bias = context.graph[id].input(2) else { return nil }
    if let biasNode,
      let result = try? GraphEvaluator.evaluate(
        context.graph[biasNode], inputs: context.graph[biasNode].inputs.map { try constant($0) }, functions: []),
      let tensor = result.first??.tensor
    {
      return change.constant(try tensor.reshaped([tensor.count]))
    }
    if let tensor = context.constant(bias), tensor.rank != 1 {
      return change.constant(try tensor.reshaped([tensor.count]))
    }
    return .existing(bias)
  }

  private func constant(_ value: ValueID?) throws -> Value? {
    guard let value else { return nil }
    guard let tensor = context.constant(value) else {
      throw Refusal("its bias is dequantized from computed integers", at: id)
    }
    return .tensor(tensor)
  }

  /// The value that the integer product makes, and scale and zero point of it where it is quantized.
  func result(_ change: inout GraphChange) throws -> (value: ValueID, parameters: [GraphChange.Ref?]) {
    if let quantize {
      return (quantize.data, [.existing(quantize.scale), try quantize.zeroPoint(&change)])
    }
    guard let output = context.graph[id].output(0) else { throw Refusal("its result is not there") }
    return (output, [nil, nil])
  }

  /// What is added before the activation: integers where they are at hand.
  func residual(isLast: Bool, _ change: inout GraphChange) throws -> [GraphChange.Ref?] {
    let node = context.graph[id]
    guard node.type.hasSuffix("Conv"), let residual = node.input(3) else { return [] }
    func placed(_ value: ValueID) -> GraphChange.Ref {
      guard !isLast, let rank = context.rank(value) else { return .existing(value) }
      return change.node(
        "Transpose", [.existing(value)], [NamedAttribute("perm", .ints(LayoutView.toLast(rank)))], covers: [])
    }
    guard let found = residualValue else { return [placed(residual), nil, nil] }
    return [placed(found.data), .existing(found.scale), try found.zeroPoint(&change)]
  }
}
