import GraphIR
import PassKit
import Passes
import Tensors
import Testing

@Suite struct EliminateIdentityTests {
  /// Inference takes two symbolic lengths as equal; an Expand from one to the other may still repeat what has length 1.
  @Test func keepsAnExpandFromOneSymbolToAnother() throws {
    let model = try ONNXText.parseModel(
      """
      <ir_version: 10, opset_import: ["" : 21]>
      g (float[n] x, float[m] z) => (float[m] y) { s = Shape (z) a = Expand (x, s) y = Neg (a) }
      """)
    let result = try PassManager(stages: Pipelines.stages, options: OptimizationOptions()).run(model)
    #expect(result.model.graph.allNodes.contains { result.model.graph[$0].is("Expand") })
  }
}
