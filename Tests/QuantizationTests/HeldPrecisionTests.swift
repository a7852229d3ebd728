import CPUProvider
import GraphIR
import InferenceRuntime
import Operators
import Quantization
import Tensors
import Testing

@testable import Cameo

/// Sessions in bfloat16 whose outputs are held to a distance from float32's.
@Suite(.enabled(if: CPUProvider().precisions.contains(.bf16))) struct HeldPrecisionTests {
  private static func normals(_ shape: [Int], seed: UInt64, scale: Float) throws -> Tensor {
    var draw = Draw(seed)
    return try .of(draw.normals(shape.reduce(1, *)).map { $0 * scale }, .float, shape: shape)
  }

  /// Eight products; the weights of the fifth are those of two that nearly cancel, of which bfloat16 leaves noise.
  private static func chain() throws -> Model {
    var text = "g (float[N, 32] x, float[32, 32] v, float[64, 32] w) => (float[N, 32] h8) {\n"
    for index in 0..<8 {
      let from = index == 0 ? "x" : "h\(index)"
      if index == 4 {
        text += "twice = Concat <axis = 1> (h4, h4) m4 = MatMul (twice, w)\n"
      } else {
        text += "m\(index) = MatMul (\(from), v)\n"
      }
      text += "h\(index + 1) = LeakyRelu <alpha = 0.9> (m\(index))\n"
    }
    let (v, large) = (try normals([32, 32], seed: 3, scale: 0.17), try normals([32, 32], seed: 4, scale: 30))
    let numbers = try large.elements(as: Float.self)
    let rest = zip(numbers, try v.elements(as: Float.self)).map { $1 - $0 }
    return try WeightModels.model(text + "}", ["v": v, "w": .of(numbers + rest, .float, shape: [64, 32])])
  }

  private static func inputs() throws -> [String: Value] {
    ["x": .tensor(try normals([4, 32], seed: 100, scale: 1))]
  }

  private static func options(_ exact: Set<NodeID> = [], _ precision: Precision = .bf16) -> SessionOptions {
    var options = SessionOptions()
    (options.precision, options.exactNodes, options.threads) = (precision, exact, 1)
    return options
  }

  private static func held(_ model: Model, _ limit: Double) throws -> HeldPrecision {
    try HeldPrecision.search(
      model, providers: [CPUProvider()], options: options(), inputs: inputs(), limit: limit)
  }

  private static func run(_ model: Model, _ options: SessionOptions) throws -> Value {
    let session = try Session(model, providers: [CPUProvider()], options: options)
    return try #require(try session.run(values: inputs())["h8"])
  }

  @Test func theSensitiveProductAloneStays() throws {
    let model = try Self.chain()
    let held = try Self.held(model, 0.05)
    #expect(held.accuracy.before > 0.05 && held.accuracy.after <= 0.05 && held.accuracy.sessions <= 48)
    #expect(held.coverage.products == 8 && held.coverage.narrowProducts == 7)
    let products = model.graph.allNodes.filter { model.graph[$0].is("MatMul") }
    #expect(products.map { held.exactNodes.contains($0) } == [false, false, false, false, true, false, false, false])
    #expect(held.kept.contains { $0.node.contains("m4") && $0.reason.contains("kept for the accuracy asked for") })
    let (exact, found) = (
      try Self.run(model, Self.options([], .fp32)), try Self.run(model, Self.options(held.exactNodes))
    )
    #expect(Closeness.between(exact, found).maxRel == held.accuracy.after)
    #expect(try Self.held(model, 0.05).exactNodes == held.exactNodes)
  }

  @Test func whereTheLimitHoldsNothingStays() throws {
    let model = try Self.chain()
    let held = try Self.held(model, 1e9)
    #expect(held.exactNodes.isEmpty && held.kept.isEmpty && held.accuracy.sessions == 2)
    #expect(held.accuracy.before == held.accuracy.after && held.coverage.narrowProducts == 8)
  }

  @Test func whereNothingNarrowHoldsAllIsFloat32() throws {
    let model = try Self.chain()
    let held = try Self.held(model, 1e-9)
    #expect(held.coverage.narrowProducts == 0 && held.accuracy.after == 0 && held.accuracy.sessions <= 48)
  }

  @Test func outputsThatAreNoFloatsAreRefused() throws {
    let model = try WeightModels.model(
      "g (float[4, 32] x, float[32, 32] v) => (int64[4, 1] y) { m = MatMul (x, v) y = ArgMax <axis = 1> (m) }",
      ["v": Self.normals([32, 32], seed: 3, scale: 1)])
    #expect(throws: CameoError.self) { try Self.held(model, 0.01) }
  }
}
