import GraphIR
import Operators
import PassKit
import Tensors

/// Puts transposes of its operands and a scale into a MatMul, for ONNX Runtime.
///
/// Before: `MatMul(a, Transpose<perm = [0, 2, 1]>(b))`. After: `com.microsoft.FusedMatMul<transB = 1>(a, b)`.
/// Before: `Mul(MatMul(a, b), 0.125)` or `MatMul(Mul(a, 0.125), b)`. After: `com.microsoft.FusedMatMul<alpha = 0.125>(a, b)`.
/// A transpose that moves the first axis behind the other batch axes is transBatchA or transBatchB.
public enum FuseMicrosoftMatMul {
  public static let pass = RewritePass(
    "FuseMicrosoftMatMul", level: 2,
    summary: "puts transposes and scales into com.microsoft.FusedMatMul (target ort)",
    rules: [Transposed(), ScaledOperand(), ScaledResult()])

  /// True for a MatMul or FusedMatMul of tensors of rank 2 and more.
  private static func isProduct(_ id: NodeID, _ context: PassContext) -> Bool {
    let node = context.graph[id]
    guard node.is("MatMul") || node.is("FusedMatMul", domain: Microsoft.domain), node.input(1) != nil,
      let a = context.rank(node.input(0)), let b = context.rank(node.input(1))
    else { return false }
    return a >= 2 && b >= 2
  }

  private static func replaced(
    _ rule: String, _ product: NodeID, covers: [NodeID], result: ValueID, inputs: [ValueID],
    _ edit: (inout [NamedAttribute]) -> Void, _ context: PassContext
  ) -> GraphChange {
    let node = context.graph[product]
    var attributes = node.attributes
    edit(&attributes)
    var change = GraphChange(rule: rule, covers: covers, isFusion: true)
    change.replace(
      result,
      with: change.node(
        "FusedMatMul", domain: Microsoft.domain, inputs.map { .existing($0) }, attributes, name: node.name))
    return change
  }

  /// x of `x * c` or `x / c`, c one number that does not widen x, and the factor.
  private static func scaled(_ id: NodeID, _ context: PassContext) -> (ValueID, Double)? {
    let node = context.graph[id]
    guard node.is("Mul") || node.is("Div"), let a = node.input(0), let b = node.input(1), a != b else { return nil }
    let sides = node.is("Mul") ? [(a, b), (b, a)] : [(a, b)]
    for (data, factor) in sides {
      guard let number = Microsoft.scalar(factor, context), number.isFinite, number != 0,
        let rank = context.rank(data), (context.rank(factor) ?? .max) <= rank
      else { continue }
      return (data, node.is("Mul") ? number : 1 / number)
    }
    return nil
  }

  private static func multiply(_ attributes: inout [NamedAttribute], by factor: Double) {
    var alpha = 1.0
    if case .float(let old)? = attributes.first(where: { $0.name == "alpha" })?.value { alpha = Double(old) }
    attributes.removeAll { $0.name == "alpha" }
    attributes.append(NamedAttribute("alpha", .float(Float(alpha * factor))))
  }

  struct Transposed: RewriteRule {
    let name = "MicrosoftMatMulTranspose"
    let anchors: Set<OperatorName> = [OperatorName("MatMul"), Microsoft.name("FusedMatMul")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), isProduct(id, context), let output = graph[id].output(0) else { return nil }
      for side in 0...1 {
        guard let operand = graph[id].input(side), let other = graph[id].input(1 - side),
          let transpose = graph.producer(operand), graph[transpose].is("Transpose"),
          graph[transpose].region == graph[id].region, let source = graph[transpose].input(0),
          let rank = context.rank(source), rank >= 2
        else { continue }
        let permutation =
          try AttributeReader(graph[transpose]).optionalInts("perm") ?? Array((0..<rank).reversed())
        let letter = side == 0 ? "A" : "B"
        let reader = AttributeReader(graph[id])
        let isTurned = try reader.bool("trans" + letter)
        let isMoved = try reader.bool("transBatch" + letter)
        guard let (turns, moves) = form(permutation, rank), !(moves && isTurned), !isMoved else {
          if permutation != Array(0..<rank) {
            throw Refusal("FusedMatMul has no attribute for a transpose by \(permutation)", at: transpose)
          }
          continue
        }
        if moves && context.rank(other) != rank {
          throw Refusal("the operands have ranks \(rank) and \(context.rank(other) ?? 0)", at: transpose)
        }
        try Microsoft.requireFloat(operand, "FusedMatMul", at: id, context)
        guard graph.hasSingleUse(operand) else {
          throw Refusal("the transposed operand is also read elsewhere", at: transpose)
        }
        let inputs = side == 0 ? [source, other] : [other, source]
        return replaced(
          name, id, covers: [transpose, id], result: output, inputs: inputs,
          { attributes in
            attributes.removeAll { $0.name == "trans" + letter }
            if turns != isTurned { attributes.append(NamedAttribute("trans" + letter, .int(1))) }
            if moves { attributes.append(NamedAttribute("transBatch" + letter, .int(1))) }
          }, context)
      }
      return nil
    }

    /// Whether a permutation exchanges the last two axes, and whether it moves the first one behind the other batch axes;
    /// nil for any other.
    private func form(_ permutation: [Int], _ rank: Int) -> (turns: Bool, moves: Bool)? {
      let plain = Array(0..<rank)
      if permutation == plain.dropLast(2) + [rank - 1, rank - 2] { return (true, false) }
      if rank < 3 { return nil }
      if permutation == plain[1..<rank - 1] + [0, rank - 1] { return (false, true) }
      if permutation == plain[1..<rank - 1] + [rank - 1, 0] { return (true, true) }
      return nil
    }
  }

  struct ScaledOperand: RewriteRule {
    let name = "MicrosoftMatMulOperandScale"
    let anchors: Set<OperatorName> = [OperatorName("MatMul"), Microsoft.name("FusedMatMul")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), isProduct(id, context), let output = graph[id].output(0) else { return nil }
      for side in 0...1 {
        guard let operand = graph[id].input(side), let other = graph[id].input(1 - side),
          let scale = graph.producer(operand), graph[scale].region == graph[id].region,
          let (source, factor) = scaled(scale, context)
        else { continue }
        try Microsoft.requireFloat(operand, "FusedMatMul", at: id, context)
        guard graph.hasSingleUse(operand) else {
          throw Refusal("the scaled operand is also read elsewhere", at: scale)
        }
        return replaced(
          name, id, covers: [scale, id], result: output, inputs: side == 0 ? [source, other] : [other, source],
          { multiply(&$0, by: factor) }, context)
      }
      return nil
    }
  }

  struct ScaledResult: RewriteRule {
    let name = "MicrosoftMatMulScale"
    let anchors: Set<OperatorName> = [OperatorName("Mul"), OperatorName("Div")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard Microsoft.isTarget(context), let output = graph[id].output(0),
        let (data, factor) = scaled(id, context), let product = graph.producer(data), isProduct(product, context),
        graph[product].region == graph[id].region
      else { return nil }
      try Microsoft.requireFloat(data, "FusedMatMul", at: product, context)
      guard graph.hasSingleUse(data) else { throw Refusal("the product is also read elsewhere", at: product) }
      return replaced(
        name, product, covers: [product, id], result: output, inputs: graph[product].inputs.compactMap { $0 },
        { multiply(&$0, by: factor) }, context)
    }
  }
}
