import Cameo
import Foundation
import GraphIR
import ONNXFormat
import Operators
import PassKit
import Passes
import Tensors
import TestSupport
import Testing

/// What the attention passes find in the zoo.
@Suite struct AttentionTests {
  static let expected: [String: Int] = [
    "minilm": 6, "bert_base_eager_ts": 12, "bert_base_sdpa_dynamo": 12, "vit_b16": 12, "smollm2": 30, "ppocr4_rec": 2,
  ]

  /// Each Softmax between two matrix products is an Attention or has a reason; those of the known models all are one.
  @Test(arguments: OptimizerTests.zoo)
  func eachSoftmaxBetweenProductsIsAttentionOrHasAReason(_ entry: OptimizerTests.ZooModel) throws {
    let model = try ONNXImporter.load(path: entry.path)
    let (result, report) = try Optimizer(verification: nil).optimize(model)
    #expect(report.failures.isEmpty, "\(report.failures)")
    let reasons = Set(report.nearMisses.filter { $0.pass == "FuseAttention" }.map(\.node))
    for id in result.graph.allNodes where result.graph[id].is("Softmax") && isBetweenProducts(id, result.graph) {
      #expect(reasons.contains(result.graph.describe(id)), "\(result.graph.describe(id)) stays without a reason")
    }
    if let count = Self.expected[entry.name] { #expect(result.graph.operatorCounts["Attention"] == count) }
  }

  private static let products: Set<String> = ["MatMul", "Gemm", "Einsum"]

  private func isBetweenProducts(_ id: NodeID, _ graph: Graph) -> Bool {
    func finds(_ next: (NodeID) -> [NodeID]) -> Bool {
      var front = next(id)
      for _ in 0..<6 {
        if front.contains(where: { Self.products.contains(graph[$0].type) }) { return true }
        front = front.filter { !["Shape", "Size"].contains(graph[$0].type) }.flatMap(next)
      }
      return false
    }
    return finds { graph[$0].inputs.compactMap { graph.producer($0) } }
      && finds { graph[$0].outputs.flatMap { output in output.map { graph.consumers($0) } ?? [] } }
  }
}
