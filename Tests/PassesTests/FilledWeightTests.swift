import GraphIR
import PassKit
import Passes
import Testing

@Suite struct FilledWeightTests {
  static func operators(_ body: String) throws -> [String] {
    let text = "g (float[1,200] x) => (float[1,200] y) <int64[2] s = {200, 200}> { \(body) }"
    let model = try ONNXText.parseModel(text)
    let result = try PassManager(stages: Pipelines.stages, options: OptimizationOptions()).run(model).model
    return result.graph.allNodes.map { result.graph[$0].type }.sorted()
  }

  /// 160 kB of one number: folded where a product takes them as weights, kept where the file would grow for nothing.
  @Test(arguments: [
    ("w = ConstantOfShape <value = float[1] {0.5}> (s) y = MatMul (x, w)", ["MatMul"]),
    (
      "w = ConstantOfShape <value = float[1] {0.5}> (s) t = Transpose (w) m = MatMul (x, t) y = Relu (m)",
      ["MatMul", "Relu"]
    ),
    (
      "w = ConstantOfShape <value = float[1] {0.5}> (s) m = MatMul (x, w) a = Add (w, x) r = ReduceSum (a) y = Add (m, r)",
      ["Add", "Add", "ConstantOfShape", "MatMul", "ReduceSum"]
    ),
    (
      "w = ConstantOfShape (s) m = MatMul (w, w) n = ReduceSum (m) y = Add (x, n)",
      ["Add", "ConstantOfShape", "MatMul", "ReduceSum"]
    ),
  ])
  func fills(_ body: String, _ expected: [String]) throws { #expect(try Self.operators(body) == expected) }
}
