import GraphIR
import Operators
import PassKit
import Tensors

/// MatMul of two matrices and a bias become one Gemm; an Add behind a Gemm without C becomes its C.
///
/// Before: `Add(MatMul(x[M,K], W[K,N]), b[N])`. After: `Gemm(x, W, b)`. Products of higher rank keep their MatMul: flattening
/// them would cost reshapes.
public enum FuseMatMulBias {
  public static let pass = RewritePass(
    "FuseMatMulBias", level: 2, summary: "turns MatMul and bias of matrices into Gemm", rules: [Rule()])

  struct Rule: RewriteRule {
    let name = "MatMulBias"
    let anchors: Set<OperatorName> = [OperatorName("Add")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let output = graph[id].output(0), let a = graph[id].input(0), let b = graph[id].input(1), a != b else {
        return nil
      }
      for (data, bias) in [(a, b), (b, a)] {
        guard let product = graph.producer(data), graph[product].is("MatMul") || graph[product].is("Gemm"),
          graph[product].region == graph[id].region, graph.constant(bias) != nil
        else { continue }
        let node = graph[product]
        guard let left = node.input(0), let right = node.input(1), let result = context.shape(data),
          let biasShape = context.shape(bias)
        else { return nil }
        guard context.rank(left) == 2, context.rank(right) == 2 else { return nil }
        guard let type = context.dataType(data), type.isFloatingPoint else { return nil }
        if node.is("Gemm"), node.input(2) != nil { return nil }
        guard graph.hasSingleUse(data) else { throw Refusal("the product is also read elsewhere", at: product) }
        // Gemm broadcasts C one way only.
        guard biasShape.count <= 2, zip(biasShape.reversed(), result.reversed()).allSatisfy({ $0 == $1 || $0 == 1 })
        else {
          throw Refusal("the bias does not broadcast to the product", at: id)
        }
        var change = GraphChange(rule: name, covers: [product, id], isFusion: true)
        change.replace(
          output,
          with: change.node(
            "Gemm", [.existing(left), .existing(right), .existing(bias)],
            node.is("Gemm") ? node.attributes.filter { $0.name != "beta" } : [], name: node.name))
        return change
      }
      return nil
    }
  }
}
