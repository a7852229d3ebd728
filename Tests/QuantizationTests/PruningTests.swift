import Cameo
import GraphIR
import Operators
import PassKit
import Quantization
import Tensors
import Testing

@Suite struct PruningTests {
  private static func run(_ pass: any Pass, _ model: Model) throws -> (model: Model, reasons: [String]) {
    let manager = PassManager(stages: [.init([pass])], options: OptimizationOptions())
    let result = try manager.run(model)
    if let failure = result.report.failures.first { throw CameoError(.invariant, failure) }
    try result.model.graph.verify()
    return (result.model, result.report.nearMisses.map(\.reason))
  }

  private static func weights(_ model: Model, _ type: String) throws -> [[Float]] {
    try model.graph.nodes.filter { model.graph[$0].is(type) }.compactMap {
      try model.graph.constant(model.graph[$0].input(1))?.elements(as: Float.self)
    }
  }

  private static func product(_ scales: [Float]) throws -> Model {
    var draw = Draw(1)
    let text = """
      g (float[2, 16] x, float[16, 16] v, float[16, 16] w) => (float[2, 16] y) { a = MatMul (x, v) y = MatMul (a, w) }
      """
    func weight(_ scale: Float) throws -> Tensor {
      try .of(draw.normals(256).map { $0 * scale }, .float, shape: [16, 16])
    }
    return try WeightModels.model(text, ["v": weight(scales[0]), "w": weight(scales[1])])
  }

  @Test func theLeastNumbersOfEachWeightGo() throws {
    let model = try Self.product([1, 100])
    let journal = PruningJournal()
    let (result, _) = try Self.run(
      MagnitudePruning(.layers(sparsity: 0.75), minimumElements: 1, journal: journal), model)
    for (before, after) in zip(try Self.weights(model, "MatMul"), try Self.weights(result, "MatMul")) {
      #expect(after.filter { $0 == 0 }.count == 192)
      let least = try #require(after.filter { $0 != 0 }.map(\.magnitude).min())
      for (a, b) in zip(before, after) { #expect(a == b || (b == 0 && a.magnitude <= least)) }
    }
    #expect(journal.weights.map(\.zeros) == [192, 192])
    #expect(journal.weights.allSatisfy { $0.keptEnergy > 0.4 && $0.keptEnergy < 1 })
  }

  @Test func oneThresholdForAllTakesFromTheSmallWeights() throws {
    let model = try Self.product([1, 100])
    let (result, _) = try Self.run(MagnitudePruning(.whole(sparsity: 0.5), minimumElements: 1), model)
    let zeros = try Self.weights(result, "MatMul").map { $0.filter { $0 == 0 }.count }
    #expect(zeros.reduce(0, +) == 256 && zeros[0] > 240)
    let none = try Self.run(MagnitudePruning(.whole(sparsity: 0), minimumElements: 1), model).model
    #expect(try Self.weights(none, "MatMul") == Self.weights(model, "MatMul"))
  }

  @Test func twoOfFourNeighboursAlongTheInputsGo() throws {
    var draw = Draw(2)
    let text = """
      g (float[1, 6, 4, 4] x, float[3, 6, 1, 1] w, float[3, 8] v) => (float[1, 4, 4, 8] y) {
        a = Conv (x, w) b = Transpose <perm = [0, 2, 3, 1]> (a) y = MatMul (b, v)
      }
      """
    let model = try WeightModels.model(
      text,
      [
        "w": .of(draw.normals(18), .float, shape: [3, 6, 1, 1]), "v": .of(draw.normals(24), .float, shape: [3, 8]),
      ])
    let (result, _) = try Self.run(MagnitudePruning(.twoOfFour, minimumElements: 1), model)
    let conv = try #require(try Self.weights(result, "Conv").first)
    let before = try #require(try Self.weights(model, "Conv").first)
    for row in 0..<3 {
      let four = conv[row * 6..<row * 6 + 4]
      #expect(four.filter { $0 == 0 }.count == 2)
      let sorted = before[row * 6..<row * 6 + 4].map(\.magnitude).sorted()
      #expect(four.filter { $0 != 0 }.allSatisfy { $0.magnitude >= sorted[2] })
      // Two are left over.
      #expect(Array(conv[row * 6 + 4..<row * 6 + 6]) == Array(before[row * 6 + 4..<row * 6 + 6]))
    }
    // Three input channels are no group of four.
    #expect(try Self.weights(result, "MatMul") == Self.weights(model, "MatMul"))
  }

  @Test func smallWeightsAndNamedNodesStay() throws {
    let model = try Self.product([1, 1])
    let (same, reasons) = try Self.run(MagnitudePruning(.layers(sparsity: 0.5)), model)
    #expect(try Self.weights(same, "MatMul") == Self.weights(model, "MatMul"))
    #expect(reasons == ["the weight has 256 numbers, fewer than 4096", "the weight has 256 numbers, fewer than 4096"])
    let first = try #require(model.graph.nodes.first)
    let (kept, _) = try Self.run(
      MagnitudePruning(.layers(sparsity: 0.5), minimumElements: 1, keeping: [first]), model)
    let (before, after) = (try Self.weights(model, "MatMul"), try Self.weights(kept, "MatMul"))
    #expect(after[0] == before[0] && after[1].contains(0))
    #expect(throws: CameoError.self) { try MagnitudePruning(.layers(sparsity: 1.5)) }
    #expect(throws: CameoError.self) { try ChannelPruning(fraction: 1) }
  }

  /// Channels of no weight at all: without them the model computes the same.
  @Test func channelsWithoutWeightGoWithTheirReaders() throws {
    var draw = Draw(3)
    let text = """
      g (float[1, 3, 8, 8] x, float[8, 3, 3, 3] u, float[8] b, float[8] s, float[8] o, float[8] m, float[8] v,
         float[4, 8, 3, 3] w, float[1, 8, 1, 1] f) => (float[1, 4, 2, 2] y) {
        a = Conv (x, u, b) n = BatchNormalization (a, s, o, m, v) r = Relu (n) t = Sigmoid (r) z = Mul (r, t)
        q = Mul (z, f) p = MaxPool <kernel_shape = [2, 2], strides = [1, 1]> (q) c = Conv (p, w)
        y = AveragePool <kernel_shape = [2, 2]> (c)
      }
      """
    var first = draw.normals(8 * 27)
    let empty: Set<Int> = [1, 2, 6, 7]
    for channel in empty { for index in 0..<27 { first[channel * 27 + index] = 0 } }
    // What an empty channel then gives is 0: its bias, mean and offset are, too.
    func row(_ positive: Bool, _ draw: inout Draw) -> [Float] {
      (0..<8).map { empty.contains($0) ? (positive ? 1 : 0) : positive ? draw.normal().magnitude + 0.5 : draw.normal() }
    }
    let model = try WeightModels.model(
      text,
      [
        "u": .of(first, .float, shape: [8, 3, 3, 3]), "b": .of(row(false, &draw), .float),
        "s": .of(row(true, &draw), .float), "o": .of(row(false, &draw), .float), "m": .of(row(false, &draw), .float),
        "v": .of(row(true, &draw), .float), "w": .of(draw.normals(4 * 72), .float, shape: [4, 8, 3, 3]),
        "f": .of(row(true, &draw), .float, shape: [1, 8, 1, 1]),
      ])
    let journal = PruningJournal()
    let (result, reasons) = try Self.run(ChannelPruning(fraction: 0.5, journal: journal), model)
    let x = try Tensor.of(draw.normals(192), .float, shape: [1, 3, 8, 8])
    let error = WeightModels.relativeError(try WeightModels.run(model, [x]), try WeightModels.run(result, [x]))
    #expect(error < 1e-10)
    #expect(journal.channels.map(\.after) == [4] && journal.channels.map(\.before) == [8])
    #expect(result.graph.constantBytes * 2 <= model.graph.constantBytes)
    // The last product's channels are the model's output.
    #expect(reasons == ["the channels are an output of the model"])
  }

  @Test func productsOfMatricesLoseChannelsToo() throws {
    var draw = Draw(4)
    let text = """
      g (float[2, 5, 16] x, float[16, 24] u, float[24] b, float[24, 16] v, float[16, 8] w) => (float[2, 5, 8] y) {
        a = MatMul (x, u) c = Add (a, b) d = Gelu (c) e = MatMul (d, v) h = Tanh (e) y = MatMul (h, w)
      }
      """
    let model = try WeightModels.model(
      text,
      [
        "u": .of(draw.normals(384), .float, shape: [16, 24]), "b": .of(draw.normals(24), .float),
        "v": .of(draw.normals(384), .float, shape: [24, 16]), "w": .of(draw.normals(128), .float, shape: [16, 8]),
      ])
    let journal = PruningJournal()
    let (result, _) = try Self.run(ChannelPruning(fraction: 0.3, multiple: 4, journal: journal), model)
    // 16.8 and 11.2 channels, rounded up to multiples of four.
    #expect(journal.channels.map(\.after) == [20, 12])
    let x = try Tensor.of(draw.normals(160), .float, shape: [2, 5, 16])
    let found = try WeightModels.run(result, [x])
    #expect(found.count == 80)
  }

  @Test func channelsThatMeetOthersStay() throws {
    var draw = Draw(5)
    let weights = ["u": try Tensor.of(draw.normals(256), .float, shape: [16, 16])]
    func reason(_ body: String) throws -> String? {
      let model = try WeightModels.model(
        "g (float[2, 16] x, float[16, 16] u) => (float[2, 16] y) { a = MatMul (x, u) \(body) }", weights)
      let (result, reasons) = try Self.run(ChannelPruning(fraction: 0.5), model)
      #expect(result.graph.constantBytes == model.graph.constantBytes)
      return reasons.first
    }
    #expect(try reason("b = Add (a, x) y = MatMul (b, u)") == "the channels meet others")
    #expect(try reason("b = Softmax (a) y = MatMul (b, u)") == "Softmax mixes the channels")
    #expect(try reason("y = MatMul (x, a)") == "MatMul mixes the channels")
  }
}
