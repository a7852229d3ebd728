import GraphIR
import Operators
import Tensors
import Testing

@testable import ONNXFormat

/// A Gradient node in a file: replaced at import, whatever its opset, and gone from what is written.
@Suite struct GradientImportTests {
  private static let domain = "ai.onnx.preview.training"

  private func loaded(_ body: String, opset: Int = 28) throws -> Model {
    let text = "<ir_version: 8, opset_import: [\"\": \(opset), \"\(Self.domain)\": 1]>\n\(body)"
    return try ONNXImporter.load(bytes: ONNXExporter.serialize(ONNXText.parseModel(text)))
  }

  private func run(_ model: Model, _ inputs: [Float]) throws -> [Float] {
    let values = try inputs.map { Value.tensor(try .scalar($0, .float)) }
    return try GraphEvaluator(model.graph, functions: model.functions).run(values).map {
      try #require($0.tensor).scalar(as: Float.self)
    }
  }

  private static let product = """
    g (float a, float b) => (float d, float da, float db) {
      c = Add (a, b)
      d = Mul (c, a)
      da, db = ai.onnx.preview.training.Gradient <xs = ["a", "b"], y = "d"> (a, b)
    }
    """

  @Test(arguments: [7, 12, 13, 28]) func itIsReplacedAndComesBackAsOrdinaryNodes(_ opset: Int) throws {
    let model = try loaded(Self.product, opset: opset)
    #expect(model.graph.allNodes.allSatisfy { model.graph[$0].domain.isEmpty })
    try model.graph.verify()
    #expect(try run(model, [1, 2]) == [3, 4, 1])
    #expect(model.graph.outputs.map { model.graph[$0].name } == ["d", "da", "db"])
    let again = try ONNXImporter.load(bytes: ONNXExporter.serialize(model))
    #expect(try run(again, [3, 5]) == [24, 11, 3])
  }

  /// Through calls of the model's own functions, one of which calls another; the calls stay for who reads their results.
  @Test func functionsAreDifferentiatedThroughTheirBodies() throws {
    let text = """
      <ir_version: 8, opset_import: ["": 20, "own": 1, "\(Self.domain)": 1]>
      g (float a, float b) => (float d, float da, float db) {
        c = own.Square (a)
        d = own.Scaled <times = 3.0> (c, b)
        da, db = \(Self.domain).Gradient <xs = ["a", "b"], y = "d"> (a, b)
      }
      <domain: "own", opset_import: ["": 20]>
      Square (x) => (y) { y = Mul (x, x) }
      <domain: "own", opset_import: ["": 20, "own": 1]>
      Scaled <times> (x, z) => (y) {
        q = own.Square (z)
        p = Mul (x, q)
        t = Constant <value_float: float = @times> ()
        y = Mul (p, t)
      }
      """
    let model = try ONNXImporter.load(bytes: ONNXExporter.serialize(ONNXText.parseModel(text)))
    try model.graph.verify()
    #expect(!model.graph.allNodes.contains { model.graph[$0].type == "Gradient" })
    #expect(model.graph.producer(model.graph.outputs[0]).map { model.graph[$0].type } == "Scaled")
    // d = 3 a^2 b^2
    #expect(try run(model, [2, 5]) == [300, 300, 120])
  }

  @Test func everyNewNodeStandsForTheGradientNode() throws {
    let model = try loaded(Self.product)
    let gradient = try #require(model.sourceNodes.firstIndex { $0.operatorName.name == "Gradient" })
    for id in model.graph.allNodes { #expect(!model.graph[id].origins.isEmpty) }
    #expect(model.graph.allNodes.contains { model.graph[$0].origins == Origins([UInt32(gradient)]) })
  }

  @Test func insideABodyOuterTensorsAreNamed() throws {
    let model = try loaded(
      """
      g (float x, bool c) => (float r) {
        y = Mul (x, x)
        r = If <then_branch = t () => (float p) {
          p = ai.onnx.preview.training.Gradient <xs = ["x"], y = "y"> (x)
        }, else_branch = e () => (float q) { q = Identity (x) }> (c)
      }
      """)
    func value(_ condition: Bool) throws -> Float? {
      let inputs: [Value] = [.tensor(try .scalar(Float(3), .float)), .tensor(try .scalar(condition, .bool))]
      return try GraphEvaluator(model.graph).run(inputs)[0].tensor?.scalar(as: Float.self)
    }
    #expect(try value(true) == 6)
    #expect(try value(false) == 3)
  }

  @Test func higherDerivatives() throws {
    let model = try loaded(
      """
      g (float x) => (float d1, float d2, float d3) {
        q = Mul (x, x)
        y = Mul (q, x)
        d1 = ai.onnx.preview.training.Gradient <xs = ["x"], y = "y"> (x)
        d2 = ai.onnx.preview.training.Gradient <xs = ["x"], y = "d1"> (x)
        d3 = ai.onnx.preview.training.Gradient <xs = ["x"], y = "d2"> (x)
      }
      """)
    #expect(try run(model, [2]) == [12, 12, 6])
  }

  @Test func withoutARuleTheNodeStaysInTheFile() throws {
    let text = """
      g (float[2, 2] x) => (float y, float[2, 2] dx) {
        y = Det (x)
        dx = ai.onnx.preview.training.Gradient <xs = ["x"], y = "y"> (x)
      }
      """
    let model = try ONNXImporter.load(bytes: ONNXExporter.serialize(loaded(text)))
    let node = try #require(model.graph.allNodes.first { model.graph[$0].type == "Gradient" })
    #expect(model.graph[node].inputs.count == 1)
    #expect(model.graph[node].metadata.count == 1)
    let error = #expect(throws: CameoError.self) {
      try GraphEvaluator(model.graph).run([.tensor(try .of([Float(1), 2, 3, 4], .float, shape: [2, 2]))])
    }
    #expect(error?.description.contains("Det has no derivative rule") == true)
  }

  @Test func aGradientOfItselfIsACycle() throws {
    #expect(throws: CameoError.self) {
      try loaded(
        "g (float x) => (float d) { y = Mul (x, d)\n d = \(Self.domain).Gradient <xs = [\"x\"], y = \"y\"> (x) }")
    }
  }

  @Test func derivativesWithoutEndAreALimit() throws {
    // Each one differentiates what the one before appended: the graph multiplies.
    var body = "y0 = Softmax (x)\n"
    for order in 1...40 { body += "y\(order) = \(Self.domain).Gradient <xs = [\"x\"], y = \"y\(order - 1)\"> (x)\n" }
    let error = #expect(throws: CameoError.self) { try loaded("g (float[2, 3] x) => (float[2, 3] y40) {\n\(body)}") }
    #expect(error?.kind == .limit)
  }
}
