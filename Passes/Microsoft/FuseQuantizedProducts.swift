import GraphIR
import Operators
import PassKit
import Tensors

/// Products between DequantizeLinear and QuantizeLinear become products of integers, for ONNX Runtime.
///
/// Before: `QuantizeLinear(Conv(DequantizeLinear(x, sx, zx), DequantizeLinear(W, sw, zw), b), s, z)`.
/// After: `QLinearConv(x, sx, zx, W, sw, zw, s, z, round(b / (sx * sw)))`; QLinearMatMul and com.microsoft.QGemm likewise.
/// Where no QuantizeLinear follows, MatMul becomes com.microsoft.MatMulIntegerToFloat and Gemm a QGemm with a float result.
///
/// Passes, other runtimes and `--target onnx` keep the Q/DQ form, which says the same of any operator.
public enum FuseQuantizedProducts {
  public static let pass = RewritePass(
    "FuseQuantizedProducts", level: 2,
    summary: "writes products of integers for groups of Q/DQ (target ort)", rules: [Quantized(), Floating()])

  /// The standard's QLinearConv and QLinearMatMul, for whoever asks for that form.
  public static let qlinear = RewritePass(
    "UseQLinearOperators", level: 0, summary: "writes QLinearConv and QLinearMatMul for groups of Q/DQ",
    rules: [Quantized(isStandard: true)])

  struct Quantized: RewriteRule {
    let name = "MicrosoftQLinearProduct"
    let anchors: Set<OperatorName> = [OperatorName("QuantizeLinear")]
    /// Operators of the standard only, whatever the target and the type of the data.
    var isStandard = false

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard isStandard || Microsoft.isTarget(context), let source = graph.producer(graph[id].input(0)),
        graph[source].is("Conv") || graph[source].is("MatMul") || graph[source].is("Gemm"),
        let group = try QuantizedGroup(id, context)
      else { return nil }
      if isStandard, graph[source].is("Gemm") { throw Refusal("the standard has no QLinear form of Gemm", at: source) }
      var change = GraphChange(rule: name, covers: [], isFusion: true)
      guard let product = try IntegerProduct(group.node, context, &change, anyType: isStandard) else { return nil }
      try product.data.requireType(of: group.result)
      change.covers = product.covers + [id]
      change.region = graph[id].region
      let parameters = try group.parameters(&change)
      switch graph[source].type {
      case "Conv":
        return group.finish(
          &change, "QLinearConv", domain: "", product.operands + parameters + (product.bias.map { [$0] } ?? []),
          graph[source].attributes, context)
      case "MatMul":
        return group.finish(&change, "QLinearMatMul", domain: "", product.operands + parameters, [], context)
      default:
        return group.finish(
          &change, "QGemm", product.operands + [product.bias] + parameters, product.attributes, context)
      }
    }
  }

  struct Floating: RewriteRule {
    let name = "MicrosoftIntegerProductOfDequantized"
    let anchors: Set<OperatorName> = [OperatorName("MatMul"), OperatorName("Gemm")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let output = graph[id].output(0) else { return nil }
      // With a QuantizeLinear behind it, it is the other rule's.
      if graph.hasSingleUse(output), let next = graph.consumers(output).first, graph[next].is("QuantizeLinear"),
        let result = graph[next].output(0), try QuantizedValue(next, result, context)?.isPlain ?? false
      {
        return nil
      }
      var change = GraphChange(rule: name, covers: [], isFusion: true)
      guard let product = try IntegerProduct(id, context, &change) else { return nil }
      change.covers = product.covers
      change.region = graph[id].region
      var inputs = product.operands
      if graph[id].is("MatMul") {
        // a, b, scale of a, scale of b, zero point of a, zero point of b
        inputs = [0, 3, 1, 4, 2, 5].map { product.operands[$0] }
      } else if let bias = product.bias {
        inputs.append(bias)
      }
      let type = graph[id].is("MatMul") ? "MatMulIntegerToFloat" : "QGemm"
      change.replace(
        output,
        with: change.node(type, domain: Microsoft.domain, inputs, product.attributes, name: graph[id].name))
      return change
    }
  }
}

/// A product of two dequantized values.
private struct IntegerProduct {
  let data: QuantizedValue
  /// Data, scale and zero point of both.
  let operands: [GraphChange.Ref?]
  let bias: GraphChange.Ref?
  /// transB of a Gemm.
  let attributes: [NamedAttribute]
  let covers: [NodeID]

  /// nil where the operands are not dequantized from 8 bits.
  init?(_ id: NodeID, _ context: PassContext, _ change: inout GraphChange, anyType: Bool = false) throws {
    let graph = context.graph
    let node = graph[id]
    guard let data = try QuantizedValue.dequantized(node.input(0), in: node.region, context),
      let weights = try QuantizedValue.dequantized(node.input(1), in: node.region, context),
      let shape = context.shape(weights.data), shape.count >= 2, let rank = context.rank(data.data), rank >= 2
    else { return nil }
    try data.requirePlain()
    guard anyType || data.type == .uint8 else {
      throw Refusal("ONNX Runtime's products of int8 data take longer than those of floats", at: data.node)
    }
    var axis = node.is("Conv") ? 0 : shape.count - 1
    var attributes: [NamedAttribute] = []
    if node.is("Gemm") {
      let reader = AttributeReader(node)
      guard try reader.float("alpha", default: 1) == 1, try reader.float("beta", default: 1) == 1,
        try !reader.bool("transA")
      else { throw Refusal("the Gemm scales its terms or transposes the quantized data", at: id) }
      if try reader.bool("transB") {
        attributes.append(NamedAttribute("transB", .int(1)))
        axis = 0
      }
    } else if !weights.isPlain && shape.count > 2 && node.is("MatMul") {
      throw Refusal("the weights have several scales and rank \(shape.count)", at: weights.node)
    }
    let checked = try QuantizedWeights(weights, channelAxis: axis, rank: shape.count)
    var covers = [data.node, weights.node]
    var bias: GraphChange.Ref?
    if let value = node.input(2) {
      guard let channels = shape[axis].value else { throw Refusal("the number of channels is not known", at: id) }
      bias = try checked.bias(value, data: data, channels: channels, at: id, context, &change)
      if let source = graph.producer(value) { covers.append(source) }
    }
    covers.append(id)
    self.data = data
    self.bias = bias
    self.attributes = attributes
    self.covers = covers
    operands = try data.triple(&change) + weights.triple(&change)
  }
}
