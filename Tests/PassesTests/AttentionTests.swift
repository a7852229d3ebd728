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

/// What happens to rows of which a mask allows no key, and what options change.
@Suite struct AttentionMaskTests {
  private static func core(_ mask: String, constants: String) -> String {
    """
    g (float[1,2,3,4] q, float[1,2,4,5] k, float[1,2,5,6] v) => (float[1,2,3,6] y) <\(constants)>
    { s = MatMul (q, k) \(mask) p = Softmax <axis = -1> (z) y = MatMul (p, v) }
    """
  }

  private static let rows = "bool[3,5] m = {1,0,1,0,0, 0,0,0,0,0, 1,1,1,1,1}"

  private func run(_ text: String, _ options: OptimizationOptions = OptimizationOptions()) throws -> (
    before: [Double], after: [Double], operators: [String: Int]
  ) {
    let source = try ONNXText.parseModel(text)
    let (result, _) = try Optimizer(options: options, verification: nil).optimize(source)
    let inputs = try SeededInputs.make(source.graph)
    func values(_ graph: Graph) throws -> [Double] {
      try #require(try GraphEvaluator(graph).run(inputs).first?.tensor).elements(as: Double.self)
    }
    return (try values(source.graph), try values(result.graph), result.graph.operatorCounts)
  }

  /// Rows of the result, six numbers each, of two heads of three queries.
  private func rows(_ values: [Double], of query: Int) -> [Double] {
    [0, 1].flatMap { head in values[((head * 3 + query) * 6)..<((head * 3 + query + 1) * 6)] }
  }

  @Test(arguments: ["-3.4028235e38", "-1e9", "-10000"])
  func anEmptyRowKeepsTheMeanUnderFiniteFills(_ fill: String) throws {
    let text = Self.core("z = Where (m, s, low)", constants: "\(Self.rows), float low = {\(fill)}")
    let (before, after, operators) = try run(text)
    #expect(operators["Attention"] == 1 && operators["Softmax"] == nil)
    for (a, b) in zip(before, after) { #expect(abs(a - b) < 1e-6) }
  }

  @Test func anEmptyRowOfInfinityIsZeroInsteadOfNaN() throws {
    let text = Self.core("z = Where (m, s, low)", constants: "\(Self.rows), float low = {-inf}")
    let (before, after, operators) = try run(text)
    #expect(operators["Attention"] == 1)
    #expect(rows(before, of: 1).allSatisfy(\.isNaN) && rows(after, of: 1).allSatisfy { $0 == 0 })
    for query in [0, 2] {
      for (a, b) in zip(rows(before, of: query), rows(after, of: query)) { #expect(abs(a - b) < 1e-6) }
    }
  }

  /// A fill beside a bias that may forbid more needs the user's word.
  @Test func noEmptyRowsIsTakenFromTheUser() throws {
    let text = """
      g (float[1,2,3,4] q, float[1,2,4,5] k, float[1,2,5,6] v, bool[3,5] m, float[5] b) => (float[1,2,3,6] y)
      <float low = {-10000}>
      { s = MatMul (q, k) w = Where (m, s, low) z = Add (w, b) p = Softmax <axis = -1> (z) y = MatMul (p, v) }
      """
    #expect(try run(text).operators["Attention"] == nil)
    var options = OptimizationOptions()
    options.assumesNoEmptyRows = true
    #expect(try run(text, options).operators["Attention"] == 1)
  }
}
