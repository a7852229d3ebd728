import GraphIR
import Operators
import PassKit
import Passes
import Tensors
import Testing

@Suite struct ExpandMicrosoftTests {
  /// What runs in ONNX Runtime keeps ONNX Runtime's operators.
  @Test func leavesThemForThatRuntime() throws {
    let model = try ONNXText.parseModel(
      """
      <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
      g (float[2,3] x) => (float[2,3] y) { y = com.microsoft.Gelu (x) }
      """)
    for (target, expected) in [(OptimizationOptions.Target.ort, "com.microsoft.Gelu"), (.onnx, "Gelu")] {
      var options = OptimizationOptions()
      options.target = target
      let result = try PassManager(stages: Pipelines.stages, options: options).run(model)
      #expect(result.model.graph.allNodes.map { result.model.graph[$0].operatorName.description } == [expected])
    }
  }

  /// A model's own function of that name is what its calls mean.
  @Test func leavesFunctionsOfTheModel() throws {
    let model = try ONNXText.parseModel(
      """
      <ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>
      g (float[2,3] x) => (float[2,3] y) { y = com.microsoft.Gelu (x) }
      <domain: "com.microsoft", opset_import: ["" : 21]>
      Gelu (a) => (b) { b = Neg (a) }
      """)
    let result = try PassManager(stages: Pipelines.stages, options: OptimizationOptions()).run(model)
    #expect(result.model.graph.allNodes.map { result.model.graph[$0].type } == ["Neg"])
  }
}
