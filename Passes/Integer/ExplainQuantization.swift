import GraphIR
import Operators
import PassKit
import Tensors

/// Says of each QuantizeLinear and DequantizeLinear that is left what keeps the numbers from being bytes there. It changes nothing.
///
/// It runs last, in Cameo only: integer products (which say themselves why one stays float), moved bytes and programs from bytes to
/// bytes are made by then. `cameo optimize --explain ExplainQuantization` lists what it says.
public enum ExplainQuantization {
  public static let pass = RewritePass(
    "ExplainQuantization", level: 3, summary: "names what keeps quantized numbers from being used as integers",
    rules: [Dequantized(), Quantized()])

  /// Those of blocks of weights multiply floats by design.
  private static let products = UseIntegerProducts.products.union([
    OperatorName("BlockMatMul", domain: "ai.cameo"), OperatorName("BlockMatMuls", domain: "ai.cameo"),
  ])

  private struct Dequantized: RewriteRule {
    let name = "Dequantized"
    let anchors: Set<OperatorName> = [OperatorName("DequantizeLinear")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let data = graph[id].input(0), graph.constant(data) == nil, let output = graph[id].output(0) else {
        return nil
      }
      for reader in Set(graph.consumers(output)).sorted() where !products.contains(graph[reader].operatorName) {
        throw Refusal("\(graph[reader].operatorName) reads these numbers as floats", at: id)
      }
      return nil
    }
  }

  private struct Quantized: RewriteRule {
    let name = "Quantized"
    let anchors: Set<OperatorName> = [OperatorName("QuantizeLinear")]

    func rewrite(_ id: NodeID, in context: PassContext) throws -> GraphChange? {
      let graph = context.graph
      guard let producer = graph.producer(graph[id].input(0)), !products.contains(graph[producer].operatorName) else {
        return nil
      }
      throw Refusal("\(graph[producer].operatorName) gives floats, which are quantized in a step of their own", at: id)
    }
  }
}
