import GraphIR
import Operators
import PassKit
import Tensors

/// Operators between DequantizeLinear and QuantizeLinear become one node that works on the integers, for ONNX Runtime.
///
/// Before: `QuantizeLinear(Add(DequantizeLinear(a, sa, za), DequantizeLinear(b, sb, zb)), s, z)`.
/// After: `com.microsoft.QLinearAdd(a, sa, za, b, sb, zb, s, z)`. Likewise QLinearMul, QLinearSigmoid, QLinearLeakyRelu,
/// QLinearSoftmax, QLinearAveragePool, QLinearGlobalAveragePool, QLinearConcat, QLinearWhere; FuseQuantizedProducts writes
/// products. A DequantizeLinear that is read elsewhere, too, stays beside it.
public enum FuseQuantizedOperators {
  public static let pass = RewritePass(
    "FuseQuantizedOperators", level: 2,
    summary: "writes com.microsoft's QLinear operators for groups of Q/DQ (target ort)", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "MicrosoftQLinear"
    let anchors: Set<OperatorName> = [OperatorName("QuantizeLinear")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      guard Microsoft.isTarget(context), let group = try QuantizedGroup(id, context) else { return nil }
      switch context.graph[group.node].type {
      case "Add", "Mul": return try binary(group, context)
      case "Sigmoid": return try unary(group, [], context)
      case "LeakyRelu":
        let alpha = try AttributeReader(context.graph[group.node]).float("alpha", default: 0.01)
        return try unary(group, [NamedAttribute("alpha", .float(alpha))], context)
      case "Softmax": return try softmax(group, context)
      case "GlobalAveragePool": return try unary(group, [], context)
      case "AveragePool": return try pool(group, context)
      case "Concat": return try concat(group, context)
      case "Where": return try choice(group, context)
      default: return nil
      }
    }

    private func binary(_ group: QuantizedGroup, _ context: PassContext) throws -> GraphChange? {
      guard let operands = try group.operands([0, 1], context) else { return nil }
      var change = group.change(name, operands)
      let inputs = try operands[0].triple(&change) + operands[1].triple(&change) + group.parameters(&change)
      return group.finish(&change, "QLinear\(context.graph[group.node].type)", inputs, [], context)
    }

    private func unary(
      _ group: QuantizedGroup, _ attributes: [NamedAttribute], _ context: PassContext
    ) throws -> GraphChange? {
      guard let operands = try group.operands([0], context) else { return nil }
      var change = group.change(name, operands)
      let inputs = try operands[0].triple(&change) + group.parameters(&change)
      return group.finish(&change, "QLinear\(context.graph[group.node].type)", inputs, attributes, context)
    }

    private func softmax(_ group: QuantizedGroup, _ context: PassContext) throws -> GraphChange? {
      let steps = 1 / group.result.scales[0]
      guard steps.rounded() == steps, steps + Float(group.result.zeros.first ?? 0) <= 256 else {
        throw Refusal(
          "QLinearSoftmax rounds 1 / scale to a whole number; the scale is \(group.result.scales[0])", at: group.node)
      }
      // As int8 ONNX Runtime wraps what is past 127.
      guard group.result.type == .uint8 || steps + Float(group.result.zeros.first ?? 0) <= 127 else {
        throw Refusal("a probability of 1 is past the integers' end", at: group.result.node)
      }
      let axis = try AttributeReader(context.graph[group.node]).int("axis", default: -1)
      return try unary(
        group, [NamedAttribute("axis", .int(Int64(axis))), NamedAttribute("opset", .int(13))], context)
    }

    private func pool(_ group: QuantizedGroup, _ context: PassContext) throws -> GraphChange? {
      let node = context.graph[group.node]
      let reader = AttributeReader(node)
      guard try !reader.bool("ceil_mode"), try (reader.optionalInts("dilations") ?? []).allSatisfy({ $0 == 1 }) else {
        throw Refusal("QLinearAveragePool has neither dilations nor this ceil_mode", at: group.node)
      }
      let attributes = node.attributes.filter { $0.name != "dilations" && $0.name != "ceil_mode" }
      return try unary(group, attributes, context)
    }

    private func concat(_ group: QuantizedGroup, _ context: PassContext) throws -> GraphChange? {
      let node = context.graph[group.node]
      guard let operands = try group.operands(Array(node.inputs.indices), context) else { return nil }
      var change = group.change(name, operands)
      var inputs = try group.parameters(&change)
      for operand in operands { inputs += try operand.triple(&change) }
      return group.finish(&change, "QLinearConcat", inputs, node.attributes, context)
    }

    private func choice(_ group: QuantizedGroup, _ context: PassContext) throws -> GraphChange? {
      guard let condition = context.graph[group.node].input(0), let operands = try group.operands([1, 2], context)
      else { return nil }
      var change = group.change(name, operands)
      let inputs =
        try [.existing(condition)] + operands[0].triple(&change) + operands[1].triple(&change)
        + group.parameters(&change)
      return group.finish(&change, "QLinearWhere", inputs, [], context)
    }
  }
}

/// What a quantized operator reads.
enum QuantizedOperand {
  case value(QuantizedValue)
  /// One number in a tensor of that shape: 1 or -1 times its magnitude, which is exact.
  case number(Float, shape: [Int], type: DataType)

  var node: NodeID? {
    if case .value(let value) = self { value.node } else { nil }
  }

  /// Data, scale and zero point.
  func triple(_ change: inout GraphChange) throws -> [GraphChange.Ref?] {
    switch self {
    case .value(let value): return try value.triple(&change)
    case .number(let number, let shape, let type):
      let isBelow = number < 0
      let digit: Int64 = number == 0 || isBelow && type == .uint8 ? 0 : isBelow ? -1 : 1
      return [
        change.constant(try Tensor.of([digit], type, shape: shape)),
        change.constant(try Tensor.scalar(number == 0 ? 1 : abs(number), .float)),
        change.constant(try Tensor.scalar(isBelow && type == .uint8 ? 1 : 0, type)),
      ]
    }
  }
}

/// A QuantizeLinear and the node of the standard in front of it that nothing else reads.
struct QuantizedGroup {
  let node: NodeID
  let result: QuantizedValue
  private let outputs: (float: ValueID, integers: ValueID)

  /// nil where no operator of the standard stands there.
  init?(_ quantize: NodeID, _ context: PassContext) throws {
    let graph = context.graph
    guard let value = graph[quantize].input(0), let output = graph[quantize].output(0),
      let node = graph.producer(value), graph[node].domain.isEmpty, graph[node].region == graph[quantize].region,
      graph[node].outputs.count == 1, Self.isCandidate(node, context),
      let result = try QuantizedValue(quantize, output, context)
    else { return nil }
    guard graph.hasSingleUse(value) else { throw Refusal("the result is also read as floats", at: node) }
    try result.requirePlain()
    self.node = node
    self.result = result
    outputs = (value, output)
  }

  /// True where something quantized goes into it.
  private static func isCandidate(_ node: NodeID, _ context: PassContext) -> Bool {
    context.graph[node].inputs.contains { value in
      context.graph.producer(value).map { context.graph[$0].is("DequantizeLinear") } ?? false
    }
  }

  /// The operands of those places: dequantized with one scale each from the result's type, or one constant number.
  func operands(_ places: [Int], _ context: PassContext) throws -> [QuantizedOperand]? {
    let inputs = context.graph[node].inputs
    var found: [QuantizedOperand] = []
    for place in places {
      guard place < inputs.count, let value = inputs[place] else { return nil }
      if let number = Microsoft.scalar(value, context), let tensor = context.constant(value), tensor.dataType == .float,
        number == 0 || abs(number) > 1e-30 && abs(number) < 1e30
      {
        found.append(.number(Float(number), shape: tensor.shape, type: result.type))
        continue
      }
      guard
        let operand = try QuantizedValue.dequantized(value, in: context.graph[node].region, context)
      else { throw Refusal("operand \(context.graph[value].name) is not dequantized from 8 bits", at: node) }
      try operand.requirePlain()
      try operand.requireType(of: result)
      found.append(.value(operand))
    }
    return found
  }

  func change(_ rule: String, _ operands: [QuantizedOperand]) -> GraphChange {
    GraphChange(rule: rule, covers: operands.compactMap(\.node) + [node, result.node], isFusion: true)
  }

  /// Scale and zero point of the result.
  func parameters(_ change: inout GraphChange) throws -> [GraphChange.Ref?] {
    [.existing(result.scale), try result.zeroPoint(&change)]
  }

  func finish(
    _ change: inout GraphChange, _ type: String, domain: String = Microsoft.domain, _ inputs: [GraphChange.Ref?],
    _ attributes: [NamedAttribute], _ context: PassContext
  ) -> GraphChange {
    change.replace(
      outputs.integers,
      with: change.node(type, domain: domain, inputs, attributes, name: context.graph[node].name))
    return change
  }
}
