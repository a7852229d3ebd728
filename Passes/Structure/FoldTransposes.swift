import GraphIR
import Operators
import PassKit
import Tensors

/// Takes a Transpose around a product of matrices into Gemm's transA and transB.
///
/// Before: `MatMul(Transpose(a), b)`, `Gemm(a, Transpose(b), c)`, `Transpose(Gemm(a, b, c))`. After: `Gemm<transA = 1>(a, b)`,
/// `Gemm<transB = 1>(a, b, c)`, `Gemm<transA = 1, transB = 1>(b, a, c')`.
public enum FoldTransposes {
  public static let pass = RewritePass(
    "FoldTransposes", level: 2, summary: "takes Transposes of matrices into Gemm", rules: [Operands(), Result()])

  /// Gemm's element types in the runtimes.
  static func isGemmType(_ type: DataType?) -> Bool { type == .float || type == .double || type == .float16 }

  /// A MatMul or Gemm of two matrices; nil for others.
  static func isMatrixProduct(_ id: NodeID, _ context: PassContext) -> Bool {
    let node = context.graph[id]
    return (node.is("MatMul") || node.is("Gemm")) && context.rank(node.input(0)) == 2
      && context.rank(node.input(1)) == 2
  }

  struct Operands: RewriteRule {
    let name = "FoldTransposedOperands"
    let anchors: Set<OperatorName> = [OperatorName("MatMul"), OperatorName("Gemm")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard FoldTransposes.isMatrixProduct(id, context), let output = graph[id].output(0) else { return nil }
      let node = graph[id]
      var inputs = node.inputs
      let reader = AttributeReader(node)
      var flips =
        node.is("Gemm") ? [try reader.int("transA", default: 0), try reader.int("transB", default: 0)] : [0, 0]
      var covers = [id]
      for index in 0..<2 {
        guard let input = inputs[index], let transpose = graph.producer(input),
          try Movement.permutation(transpose, context) == [1, 0], graph[transpose].region == node.region,
          let source = graph[transpose].input(0)
        else { continue }
        guard graph.hasSingleUse(input) else { throw Refusal("the Transpose is also read elsewhere", at: transpose) }
        inputs[index] = source
        flips[index] = 1 - (flips[index] == 0 ? 0 : 1)
        covers.append(transpose)
      }
      if covers.count == 1 { return nil }
      guard FoldTransposes.isGemmType(context.dataType(output)) else {
        throw Refusal("Gemm of \(context.dataType(output).map { "\($0)" } ?? "an unknown type") is not common", at: id)
      }
      var change = GraphChange(rule: name, covers: covers, isFusion: true)
      change.replace(
        output,
        with: change.node(
          "Gemm", inputs.map { $0.map { .existing($0) } }, FoldTransposes.attributes(node, flips), name: node.name))
      return change
    }
  }

  struct Result: RewriteRule {
    let name = "FoldTransposedResult"
    let anchors: Set<OperatorName> = [OperatorName("Transpose")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), let product = graph[id].input(0), let producer = graph.producer(product),
        FoldTransposes.isMatrixProduct(producer, context), graph[producer].region == graph[id].region,
        try Movement.permutation(id, context) == [1, 0], let a = graph[producer].input(0),
        let b = graph[producer].input(1)
      else { return nil }
      let node = graph[producer]
      guard graph.hasSingleUse(product) else { throw Refusal("the product is also read elsewhere", at: producer) }
      guard FoldTransposes.isGemmType(context.dataType(output)) else {
        throw Refusal("Gemm of \(context.dataType(output).map { "\($0)" } ?? "an unknown type") is not common", at: id)
      }
      let reader = AttributeReader(node)
      let flips =
        node.is("Gemm") ? [try reader.int("transA", default: 0), try reader.int("transB", default: 0)] : [0, 0]
      var change = GraphChange(rule: name, covers: [producer, id], isFusion: true)
      var inputs: [GraphChange.Ref?] = [.existing(b), .existing(a)]
      if let bias = node.input(2) {
        guard let constant = graph.constant(bias) else { throw Refusal("the bias is not constant", at: producer) }
        guard let column = try column(constant) else { return nil }
        inputs.append(change.constant(column))
      }
      // (op(A) op(B))' = op(B)' op(A)'.
      let attributes = FoldTransposes.attributes(node, [flips[1] == 0 ? 1 : 0, flips[0] == 0 ? 1 : 0])
      change.replace(output, with: change.node("Gemm", inputs, attributes, name: node.name))
      return change
    }

    /// The bias with rows and columns exchanged; nil where it has more axes, which Gemm does not take.
    private func column(_ bias: Tensor) throws -> Tensor? {
      if bias.count == 1 { return bias }
      if bias.rank == 1 { return try bias.reshaped([bias.count, 1]) }
      guard bias.rank == 2 else { return nil }
      if bias.shape.contains(1) { return try bias.reshaped([bias.shape[1], bias.shape[0]]) }
      return try Movement.transposed(bias)
    }
  }

  /// The attributes of the Gemm that stands for `node`.
  static func attributes(_ node: Node, _ flips: [Int]) -> [NamedAttribute] {
    var attributes = node.is("Gemm") ? node.attributes.filter { $0.name != "transA" && $0.name != "transB" } : []
    if flips[0] != 0 { attributes.append(NamedAttribute("transA", .int(1))) }
    if flips[1] != 0 { attributes.append(NamedAttribute("transB", .int(1))) }
    return attributes
  }
}
