import GraphIR
import PassKit
import Passes
import Testing

/// What `--target ort` writes by default.
@Suite struct MicrosoftTargetTests {
  static func optimize(_ text: String, enabled: Set<String> = []) throws -> (model: Model, report: OptimizationReport) {
    var options = OptimizationOptions()
    options.target = .ort
    options.enabled = enabled
    return try PassManager(stages: Pipelines.stages, options: options).run(try ONNXText.parseModel(text))
  }

  static func operators(_ model: Model) -> [String] {
    model.graph.allNodes.map { model.graph[$0].operatorName.description }.sorted()
  }

  static let readAgain = """
    g (float[1,2,3] x, float[1,2,3] z) => (float[1,2,3] y, float[1,2,3] s) <float[3] w = {1,2,3}> {
      s = Add (x, z) y = LayerNormalization (s, w)
    }
    """

  /// SkipLayerNormalization with the sum as its result is slower than the two, so it takes a word.
  @Test func sumsThatAreReadAgainStayInFrontOfLayerNormalization() throws {
    let plain = try Self.optimize(Self.readAgain)
    #expect(Self.operators(plain.model) == ["Add", "LayerNormalization"])
    #expect(
      plain.report.nearMisses.map(\.reason).contains(
        "ONNX Runtime's SkipLayerNormalization is slower than Add and LayerNormalization (--enable writes it all the same)"
      ))
    let asked = try Self.optimize(Self.readAgain, enabled: ["FuseSkipNormalization"])
    #expect(Self.operators(asked.model) == ["com.microsoft.SkipLayerNormalization"])
  }

  /// What ONNX Runtime would write itself, and what costs next to nothing, is written.
  @Test(arguments: [
    (
      "s = Add (x, z) y = LayerNormalization (s, w)", "float[1,2,3]", ["com.microsoft.SkipLayerNormalization"]
    ),
    ("s = Add (x, z) y = LayerNormalization (s, w)", "float[N,2,3]", ["Add", "LayerNormalization"]),
    (
      "s = Add (x, z) y = RMSNormalization (s, w)", "float[N,2,3]",
      ["com.microsoft.SkipSimplifiedLayerNormalization"]
    ),
  ])
  func sums(_ body: String, _ type: String, _ expected: [String]) throws {
    let text = "g (\(type) x, \(type) z) => (\(type) y) <float[3] w = {1,2,3}> { \(body) }"
    #expect(Self.operators(try Self.optimize(text).model) == expected)
  }

  /// Shapes that ONNX Runtime learns from the node make it write SkipLayerNormalization behind it.
  @Test(arguments: [("N", false), ("2", true)]) func embeddingsOfFixedShape(_ batch: String, _ isWritten: Bool) throws {
    let text = """
      g (int32[\(batch),3] i, int32[\(batch),3] p) => (float[\(batch),3,2] y)
        <float[3,2] w = {1,2,3,4,5,6}, float[3,2] u = {1,2,3,4,5,6}, float[2] s = {1,2}, float[2] b = {1,2}> {
        c = Gather (w, i) d = Gather (u, p) h = Add (c, d) y = LayerNormalization (h, s, b)
      }
      """
    let name = "com.microsoft.EmbedLayerNormalization"
    let plain = try Self.optimize(text)
    #expect(Self.operators(plain.model).contains(name) == isWritten)
    #expect(
      plain.report.nearMisses.contains {
        $0.reason
          == "behind EmbedLayerNormalization ONNX Runtime writes SkipLayerNormalization, which is slower (--enable writes it)"
      } != isWritten)
    let asked = try Self.optimize(text, enabled: ["FuseEmbedLayerNormalization"])
    #expect(Self.operators(asked.model) == [name])
  }

  /// A second run over what was written finds nothing.
  @Test func itsOwnResultStays() throws {
    let text = """
      g (float[N,2,3] x, float[N,2,3] z, float[N,3,2] v) => (float[N,2,3] y, float[N,2,2] p)
        <float[3] w = {1,2,3}, float c = {0.5}> {
        a = Add (x, z) n = RMSNormalization (a, w) s = Sigmoid (n) y = Mul (n, s)
        t = Transpose <perm = [0, 2, 1]> (v) m = Mul (t, c) u = Transpose <perm = [0, 2, 1]> (m) p = MatMul (x, u)
      }
      """
    let first = try Self.optimize(text)
    let second = try PassManager(
      stages: Pipelines.stages,
      options: {
        var o = OptimizationOptions(); o.target = .ort; return o
      }()
    )
    .run(first.model)
    #expect(second.report.passes.allSatisfy { $0.applied == 0 })
    #expect(Self.operators(first.model).contains("com.microsoft.QuickGelu"))
    #expect(Self.operators(first.model).contains("com.microsoft.FusedMatMul"))
  }
}
