import GraphIR
import Operators
import PassKit
import Tensors

/// Products of dequantized 8-bit floats become products of those, with the sums behind them.
///
/// Before: `FusedMatMul<activation="Relu">(DequantizeLinear(x, s), DequantizeLinear(W, w), b)`, or MatMul, or Gemm.
/// After: `ai.cameo.Float8MatMul<activation="Relu">(x, s, W, w, b)`. Only where it is asked for by name, as by a provider that multiplies such
/// numbers: elsewhere they are floats before they are multiplied.
public enum UseFloat8Products {
  public static let pass = RewritePass(
    "UseFloat8Products", level: 4,
    summary: "multiplies 8-bit floats as such (only with --enable)",
    documentation: """
      Before: d = DequantizeLinear (x, s)  e = DequantizeLinear (W, w)  y = ai.cameo.FusedMatMul (d, e, b)
      After:  y = ai.cameo.Float8MatMul (x, s, W, w, b)
      Where x and W are float8e4m3fn or float8e5m2, s is one number and w one, or one a column of the result. An Add of a value of the
      result's shape goes into it.
      """,
    rules: [
      Rule(),
      ProductResidual(
        name: "Float8Residual", products: ["Float8MatMul": ProductResidual.Places(absent: 5, residual: 5)]),
    ])

  struct Rule: RewriteRule {
    let name = "Float8Product"
    let anchors: Set<OperatorName> = [
      OperatorName("MatMul"), OperatorName("Gemm"), OperatorName("FusedMatMul", domain: "ai.cameo"),
    ]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let node = context.graph[id]
      let left = try Float8Factor(node.input(0), in: node.region, context)
      let right = try Float8Factor(node.input(1), in: node.region, context, mayTurn: true)
      if left == nil && right == nil { return nil }
      guard let left else { throw Refusal("its left operand is not dequantized from 8-bit floats", at: id) }
      guard let right else { throw Refusal("its right operand is not dequantized from 8-bit floats", at: id) }
      guard let (_, operands, attributes) = try FuseEpilogue.fused(id, context) else {
        throw Refusal("it scales its terms, or adds a matrix", at: id)
      }
      let reader = AttributeReader(node)
      guard try !reader.bool("transA") else { throw Refusal("it transposes the left operand", at: id) }
      guard try node.is("Gemm") || reader.float("alpha", default: 1) == 1 else {
        throw Refusal("it scales its terms", at: id)
      }
      guard left.axis == nil else { throw Refusal("the scales of the left operand go along an axis", at: left.node) }
      guard right.rank > 1 else { throw Refusal("its right operand is no matrix", at: id) }
      let isTurned = try reader.bool("transB") != right.isTurned
      guard right.axis == nil || right.axis == right.rank - (isTurned ? 2 : 1) else {
        throw Refusal("the scales of the right operand do not go along the result's columns", at: right.node)
      }
      // A valid product's types are all one; false where inference does not know them.
      guard let output = node.output(0), left.real == right.real, context.dataType(output) == left.real else {
        return nil
      }
      var change = GraphChange(rule: name, covers: left.covers + right.covers + [id], isFusion: true)
      var inputs: [ValueID?] = [left.data, left.scale, right.data, right.scale] + operands.dropFirst(2)
      while case .some(.none) = inputs.last { inputs.removeLast() }
      var kept = attributes.filter { $0.name.hasPrefix("activation") }
      if isTurned { kept.append(NamedAttribute("transB", .int(1))) }
      change.replace(
        output,
        with: change.node(
          "Float8MatMul", domain: FuseEpilogue.domain, inputs.map { $0.map { .existing($0) } }, kept, name: node.name))
      return change
    }
  }
}

/// What a factor is dequantized from.
private struct Float8Factor {
  let node: NodeID
  let covers: [NodeID]
  let data: ValueID
  let scale: ValueID
  /// What the product sees.
  let real: DataType
  let rank: Int
  /// That the scales go along, of `data`; nil: one scale.
  let axis: Int?
  /// The product sees the last two axes of `data` exchanged.
  let isTurned: Bool

  /// nil where the value is made by something else. `mayTurn`: a Transpose may stand in between.
  init?(_ value: ValueID?, in region: RegionID, _ context: PassContext, mayTurn: Bool = false) throws {
    let graph = context.graph
    guard var producer = graph.producer(value), graph[producer].region == region else { return nil }
    var covers = [producer]
    let turn = producer
    if mayTurn, graph[producer].is("Transpose") {
      guard let before = graph.producer(graph[producer].input(0)), graph[before].region == region else { return nil }
      producer = before
      covers = [before, turn]
    }
    let node = graph[producer]
    guard node.is("DequantizeLinear"), let data = node.input(0), let scale = node.input(1),
      let type = context.dataType(data), type == .float8e4m3fn || type == .float8e5m2
    else { return nil }
    guard let found = try QuantizationNode(producer, context), let rank = context.rank(data) else {
      throw Refusal("its scales are not one, nor along one axis", at: producer)
    }
    guard found.zero(context) == 0 else { throw Refusal("its zero point is not 0", at: producer) }
    guard let real = context.dataType(node.output(0)), real == context.dataType(scale) else {
      throw Refusal("its scale is of another type than its result", at: producer)
    }
    isTurned = producer != turn
    if isTurned {
      let last = Array(0..<max(0, rank - 2)) + [rank - 1, rank - 2]
      guard rank > 1, try AttributeReader(graph[turn]).optionalInts("perm") ?? Array((0..<rank).reversed()) == last
      else { throw Refusal("a Transpose moves more than the last two axes", at: turn) }
    }
    self.node = producer
    (self.covers, self.data, self.scale, self.real, self.rank) = (covers, data, scale, real, rank)
    axis = found.axis
  }
}
