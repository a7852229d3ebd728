import GraphIR
import PassKit
import Passes
import Testing

/// What MergeProducts leaves where nobody asks for it by name.
@Suite struct MergeProductsTests {
  static let gated = """
    g (float[N,2] x) => (float[N,2] y) <float[2,2] p = {1,2,3,4}, float[2,2] q = {5,6,7,8}> {
      k = MatMul (x, p) l = MatMul (x, q) s = Sigmoid (k) m = Mul (k, s) y = Mul (m, l)
    }
    """
  static let branches = """
    g (float[1,1,3,3] x) => (float[1,1,3,3] y) <float[1,1,1,1] p = {2}, float[1,1,1,1] q = {3}> {
      k = Conv (x, p) l = Conv (x, q) d = Relu (k) e = Relu (l) y = Sub (d, e)
    }
    """

  static func optimize(
    _ text: String, target: OptimizationOptions.Target, enabled: Set<String> = []
  ) throws -> (operators: [String], reasons: [String]) {
    var options = OptimizationOptions()
    options.target = target
    options.enabled = enabled
    let result = try PassManager(stages: Pipelines.stages, options: options).run(try ONNXText.parseModel(text))
    let graph = result.model.graph
    return (graph.allNodes.map { graph[$0].type }, result.report.nearMisses.map(\.reason))
  }

  /// One product and a Split are as many nodes and take longer.
  @Test func gateAndUpStayTwoProducts() throws {
    #expect(try Self.optimize(Self.gated, target: .onnx).operators.filter { $0 == "MatMul" }.count == 2)
    let asked = try Self.optimize(Self.gated, target: .onnx, enabled: ["MergeProducts"]).operators
    #expect(asked.filter { $0 == "MatMul" }.count == 1)
    #expect(asked.contains("Split"))
  }

  /// ONNX Runtime's blocked layout ends at a Split.
  @Test func convolutionsOfImagesMergeWhereTheyRunHere() throws {
    for target in [OptimizationOptions.Target.onnx, .ort] {
      let (operators, reasons) = try Self.optimize(Self.branches, target: target)
      #expect(!operators.contains("Split"))
      // For ort the Relu behind each is put into it, and there is nothing to tell any more.
      #expect(
        reasons.contains(
          "ONNX Runtime runs these convolutions in a blocked layout, which the Split would leave (--enable merges them)"
        )
          == (target == .onnx))
    }
    #expect(try Self.optimize(Self.branches, target: .cameo).operators.contains("Split"))
  }
}
