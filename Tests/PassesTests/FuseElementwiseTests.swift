import Cameo
import GraphIR
import ONNXFormat
import Operators
import PassKit
import Passes
import Tensors
import TestSupport
import Testing

/// What a fused program is in a file, and where none is made.
@Suite struct FuseElementwiseTests {
  static let text = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[n,16] x, float[16] b, float[16] d) => (float[n,16] y, float[n,1] z)
    <float s = {0.5}, float low = {-1}, float high = {1}, int64[1] axes = {-1}>
    {
      a = Add (x, b) t = Tanh (a) u = Mul (t, s)
      p = Softmax (u)
      c = Add (p, d) e = Tanh (c) y = Mul (e, s)
      q = Softmax (y)
      k = Clip (q, low, high) l = Mul (k, b) z = ReduceSumSquare (l, axes)
    }
    """

  private func optimized(_ model: Model, level: Int, _ target: OptimizationOptions.Target) throws -> Model {
    var options = OptimizationOptions()
    options.level = level
    options.target = target
    let (result, report) = try Optimizer(options: options).optimize(model)
    #expect(report.failures.isEmpty && report.verification?.passed == true, "\(report.failures)")
    return result
  }

  private func programs(_ model: Model) -> Int {
    model.graph.operatorCounts[FusedElementwise.operatorName.description] ?? 0
  }

  @Test func onlyWhereTheResultMayHoldIt() throws {
    let model = try ONNXText.parseModel(Self.text)
    #expect(try programs(optimized(model, level: 2, .onnx)) == 0)
    #expect(try programs(optimized(model, level: 2, .ort)) == 0)
    #expect(try programs(optimized(model, level: 2, .cameo)) == 3)
    #expect(try programs(optimized(model, level: 3, .onnx)) == 3)
  }

  /// Equal bodies share one function of standard operators; read again they are inlined and become programs again.
  @Test(arguments: [nil, 10, 11, 13, 18, 24]) func filesHaveFunctions(_ opset: Int?) throws {
    let model = try ONNXText.parseModel(Self.text)
    let fused = try optimized(model, level: 2, .cameo)
    let bytes = try ONNXExporter.serialize(fused, options: ExportOptions(opset: opset))
    let loaded = try ONNXImporter.load(bytes: bytes)
    #expect(loaded.graph.operatorCounts == ["ai.cameo.Elementwise1": 2, "ai.cameo.Elementwise2": 1, "Softmax": 2])
    #expect(loaded.functions.map(\.operatorName.description) == ["ai.cameo.Elementwise1", "ai.cameo.Elementwise2"])
    #expect(loaded.opsets == ["": opset ?? 17, "ai.cameo": 1])
    for function in loaded.functions {
      #expect(function.opsets == ["": opset ?? 17])
      #expect(function.body.allNodes.allSatisfy { function.body[$0].domain.isEmpty })
    }
    #expect(loaded.functions[0].body.allNodes.map { loaded.functions[0].body[$0].type } == ["Add", "Tanh", "Mul"])
    let inputs = try SeededInputs.make(model.graph)
    let expected = try GraphEvaluator(model.graph).run(inputs)
    let found = try GraphEvaluator(loaded.graph, functions: loaded.functions).run(inputs)
    #expect(try SeededInputs.difference(expected, found) < 1e-6)

    let again = try optimized(loaded, level: 2, .cameo)
    #expect(
      ONNXText.canonicalText(again.graph, types: false) == ONNXText.canonicalText(fused.graph, types: false))
    #expect(try ONNXExporter.serialize(again, options: ExportOptions(opset: opset)).count > 0)
  }

  /// A function of the source that has the name already keeps it.
  @Test func namesOfFunctionsAreFree() throws {
    var model = try optimized(try ONNXText.parseModel(Self.text), level: 2, .cameo)
    var body = Graph()
    let x = body.addValue(name: "x")
    body.addInput(x)
    let y = body.addValue(name: "y")
    body.addNode(OperatorName("If"), inputs: [x], outputs: [y])
    body.setOutputs([y])
    model.functions.append(Function(OperatorName("Elementwise1", domain: "ai.cameo"), body: body))
    let names = try ONNXExporter.lowered(model).functions.map(\.operatorName.name)
    #expect(names == ["Elementwise1", "Elementwise2", "Elementwise3"])
  }

  /// A chain that has more nodes than a program takes becomes several.
  @Test func longChainsAreCut() throws {
    let steps = (0..<100).map { "t\($0 + 1) = Sin (t\($0))" }.joined(separator: " ")
    let model = try ONNXText.parseModel("g (float[n,16] t0) => (float[n,16] t100) { \(steps) }")
    let fused = try optimized(model, level: 2, .cameo)
    #expect(programs(fused) == 3 && fused.graph.nodeCount == 103)
  }

  /// A chain with more operands than a program takes stops there.
  @Test func chainsOfManyOperandsAreCut() throws {
    let inputs = (0...40).map { "float[n,16] x\($0)" }.joined(separator: ", ")
    let steps = (1...40).map { "t\($0) = Add (\($0 == 1 ? "x0" : "t\($0 - 1)"), x\($0))" }.joined(separator: " ")
    let model = try ONNXText.parseModel("g (\(inputs)) => (float[n,16] t40) { \(steps) }")
    let fused = try optimized(model, level: 2, .cameo)
    #expect(programs(fused) == 3)
    for id in fused.graph.nodes { #expect(fused.graph[id].inputs.count <= 16) }
  }
}
