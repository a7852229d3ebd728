import GraphIR
import Operators
import PassKit
import Tensors

/// LayerNormalization and RMSNormalization from their decomposed forms.
///
/// Before: `d = x - ReduceMean(x); y = d / Sqrt(ReduceMean(d^2) + eps) * scale + bias`. After: `LayerNormalization(x, scale, bias)`.
/// Before: `y = x * (1 / Sqrt(ReduceMean(x^2) + eps)) * scale`. After: `RMSNormalization(x, scale)`.
/// Square as Pow or Mul; division as Div, Reciprocal or Pow(-0.5); casts to float around it; scale and bias optional.
public enum FuseNormalization {
  public static let layer = RewritePass(
    "FuseLayerNormalization", level: 2, summary: "recognises decomposed LayerNormalization",
    rules: inverses.map { layerRule($0) })
  public static let rms = RewritePass(
    "FuseRMSNormalization", level: 2, summary: "recognises decomposed RMSNormalization",
    rules: inverses.map { rmsRule($0) })

  /// The ways to write n = d / sqrt(v): name and nodes from "v" (variance plus epsilon) and "d" to "n".
  static let inverses: [(String, [PatternNode])] = [
    (
      "Div",
      [
        PatternNode("Sqrt", inputs: [.value("v")], outputs: ["r"]),
        PatternNode("Div", inputs: [.value("d"), .value("r")], outputs: ["n"]),
      ]
    ),
    (
      "Reciprocal",
      [
        PatternNode("Sqrt", inputs: [.value("v")], outputs: ["r"]),
        PatternNode("Reciprocal", inputs: [.value("r")], outputs: ["i"]),
        PatternNode("Mul", inputs: [.value("d"), .value("i")], outputs: ["n"]),
      ]
    ),
    (
      "OneOver",
      [
        PatternNode("Sqrt", inputs: [.value("v")], outputs: ["r"]),
        PatternNode("Div", inputs: [.constant(nil, .equal(1)), .value("r")], outputs: ["i"]),
        PatternNode("Mul", inputs: [.value("d"), .value("i")], outputs: ["n"]),
      ]
    ),
    (
      "Power",
      [
        PatternNode("Pow", inputs: [.value("v"), .constant(nil, .equal(-0.5))], outputs: ["i"]),
        PatternNode("Mul", inputs: [.value("d"), .value("i")], outputs: ["n"]),
      ]
    ),
  ]

  private static let variance = [
    PatternNode("Pow", inputs: [.value("d"), .constant(nil, .equal(2))], outputs: ["s"]),
    PatternNode("ReduceMean", inputs: [.value("s"), .any], outputs: ["q"]),
    PatternNode("Add", inputs: [.value("q"), .constant("epsilon", .uniform)], outputs: ["v"]),
  ]

  private static let affine = [
    PatternNode("Mul", inputs: [.value("n"), .constant("scale", .any)], outputs: ["w"]).optional(),
    PatternNode("Add", inputs: [.value("w"), .constant("bias", .any)], outputs: ["y"]).optional(),
  ]

  private static func layerRule(_ inverse: (String, [PatternNode])) -> any RewriteRule {
    let center = [
      PatternNode("ReduceMean", inputs: [.value("x"), .any], outputs: ["m"]).key(),
      PatternNode("Sub", inputs: [.value("x"), .value("m")], outputs: ["d"]).shared(),
    ]
    return NormalizationRule(
      name: "LayerNormalization\(inverse.0)", core: center + variance + inverse.1, isCentered: true)
  }

  private static func rmsRule(_ inverse: (String, [PatternNode])) -> any RewriteRule {
    let nodes = (variance + inverse.1).map { node in
      var node = node
      if node.operators.contains(OperatorName("ReduceMean")) { node.isKey = true }
      return node
    }
    return NormalizationRule(name: "RMSNormalization\(inverse.0)", core: nodes, isCentered: false)
  }
}

/// Matches the core up to "n", then follows the single readers for scale and bias.
struct NormalizationRule: RewriteRule {
  let name: String
  let core: [PatternNode]
  let isCentered: Bool

  var anchors: Set<OperatorName> { PatternRule(name, match: Pattern(core, results: ["n"])) { _, _, _ in }.anchors }

  func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
    let rule = PatternRule(name, match: Pattern(core, results: ["n"])) { match, context, change in
      try build(match, context, &change)
    }
    return try rule.rewrite(id, in: context)
  }

  private func build(_ match: Match, _ context: PassContext, _ change: inout GraphChange) throws {
    guard let data = match.value(isCentered ? "x" : "d"), let normalized = match.value("n"),
      let epsilon = match["epsilon"]?.uniform(context)
    else { return }
    let reductions = [match.node("m"), match.node("q")].compactMap { $0 }
    guard let shape = context.shape(data) else {
      throw Refusal("the rank of the input is not known", at: reductions.first)
    }
    let axes = try reductions.map { try self.axes(of: $0, rank: shape.count, context) }
    guard let first = axes.first, axes.allSatisfy({ $0 == first }) else {
      throw Refusal("mean and variance are taken over different axes", at: reductions.last)
    }
    guard !first.isEmpty, first.count <= shape.count, first == Array((shape.count - first.count)..<shape.count) else {
      throw Refusal("the axes \(first) are not the last ones of a tensor of rank \(shape.count)", at: reductions.first)
    }
    let target = first.compactMap { shape[$0].value }
    guard target.count == first.count else {
      throw Refusal("the normalised dimensions are not known", at: reductions.first)
    }
    guard context.mayEmit(opset: isCentered ? 17 : 23) else {
      throw Refusal(
        "\(isCentered ? "LayerNormalization needs opset 17" : "RMSNormalization needs opset 23"), the output is limited to \(context.options.opsetCeiling)"
      )
    }
    guard let type = context.dataType(data), type.isFloatingPoint else { return }
    // Follow: cast back, scale, bias.
    var result = normalized
    var covers: [NodeID] = []
    var scale: ValueID?
    var bias: ValueID?
    if let (node, other) = follower("Mul", of: result, context), isParameter(other, target, shape.count, context) {
      scale = other
      covers.append(node)
      if let output = context.graph[node].output(0) { result = output }
      if isCentered, let (node, other) = follower("Add", of: result, context),
        isParameter(other, target, shape.count, context)
      {
        bias = other
        covers.append(node)
        if let output = context.graph[node].output(0) { result = output }
      }
    }
    change.covers += covers
    let scaleRef: GraphChange.Ref
    if let scale {
      scaleRef = try parameter(scale, target, type, context, &change)
    } else {
      scaleRef = change.constant(try Tensor.of([Double](repeating: 1, count: target.reduce(1, *)), type, shape: target))
    }
    var inputs: [GraphChange.Ref?] = [.existing(data), scaleRef]
    if let bias { inputs.append(try parameter(bias, target, type, context, &change)) }
    change.replace(
      result,
      with: change.node(
        isCentered ? "LayerNormalization" : "RMSNormalization", inputs,
        [NamedAttribute("axis", .int(-Int64(first.count))), NamedAttribute("epsilon", .float(Float(epsilon)))]))
  }

  private func axes(of id: NodeID, rank: Int, _ context: PassContext) throws -> [Int] {
    let node = context.graph[id]
    let reader = AttributeReader(node)
    guard try reader.int("keepdims", default: 1) == 1 else { throw Refusal("the reduction drops its axes", at: id) }
    guard let input = node.input(1) else {
      return try reader.int("noop_with_empty_axes", default: 0) == 0 ? Array(0..<rank) : []
    }
    guard let axes = try context.constant(input)?.ints() else { throw Refusal("the axes are computed", at: id) }
    return axes.map { $0 < 0 ? $0 + rank : $0 }.sorted()
  }

  /// The one reader of `value`, where it is a `type` of `value` and something else.
  private func follower(_ type: String, of value: ValueID, _ context: PassContext) -> (NodeID, ValueID)? {
    guard context.graph.hasSingleUse(value), let node = context.graph.consumers(value).first,
      context.graph[node].is(type),
      context.graph[node].region == context.graph[value].region,
      let a = context.graph[node].input(0), let b = context.graph[node].input(1), a != b
    else { return nil }
    return (node, a == value ? b : a)
  }

  /// True for a constant that broadcasts over the normalised axes only.
  private func isParameter(_ value: ValueID, _ target: [Int], _ rank: Int, _ context: PassContext) -> Bool {
    guard let tensor = context.graph.constant(value), tensor.dataType.isFloatingPoint, tensor.rank <= rank else {
      return false
    }
    let lead = tensor.shape.dropLast(target.count)
    let own = Array(tensor.shape.suffix(target.count))
    return lead.allSatisfy { $0 == 1 } && (own == target || tensor.count == 1)
  }

  private func parameter(
    _ value: ValueID, _ target: [Int], _ type: DataType, _ context: PassContext, _ change: inout GraphChange
  ) throws -> GraphChange.Ref {
    guard let tensor = context.graph.constant(value) else { return .existing(value) }
    if tensor.shape == target && tensor.dataType == type { return .existing(value) }
    if tensor.count == 1 && target.reduce(1, *) != 1 {
      let number = try tensor.scalar(as: Double.self)
      return change.constant(try .of([Double](repeating: number, count: target.reduce(1, *)), type, shape: target))
    }
    return change.constant(try tensor.reshaped(target).converted(to: type))
  }
}
