import GraphIR
import InferenceRuntime
import Operators
import Quantization
import Tensors
import Testing

@testable import Cameo

/// What stays float32 for the outputs to be as close as asked for.
@Suite struct FloatSearchTests {
  // MARK: The search alone, over costs that the test sets

  /// Parts of equal work, part i costing `energies[i]`; what stays, by part, and the sessions it took.
  private static func kept(_ energies: [Double], sums: Set<Int> = [], limit: Double) throws -> ([Int], Int) {
    let parts = energies.indices.map {
      FloatSearch.Part(nodes: [NodeID($0)], work: 1, isSum: sums.contains($0))
    }
    func cost(_ parts: [FloatSearch.Part]) -> FloatSearch.Cost {
      let energy = parts.reduce(0) { $0 + energies[Int($1.nodes[0].index)] }
      return FloatSearch.Cost(drop: energy.squareRoot(), energy: energy)
    }
    var search = FloatSearch(
      parts, limit: limit, tolerated: limit * limit, whole: cost(parts), budget: 43, alone: { cost($0) },
      together: { (cost($0), 2) })
    let kept = try search.kept().flatMap(\.nodes).map { Int($0.index) }.sorted()
    let narrow = energies.indices.filter { !kept.contains($0) }
    #expect(narrow.isEmpty || cost(narrow.map { parts[$0] }).drop <= limit)
    #expect(search.sessions <= 44)
    return (kept, search.sessions)
  }

  @Test(arguments: [0, 13, 31])
  func oneSensitivePartIsFound(_ place: Int) throws {
    var energies = [Double](repeating: 1e-8, count: 32)
    energies[place] = 1
    #expect(try Self.kept(energies, limit: 0.01).0 == [place])
  }

  @Test func sumsAreLookedAtApart() throws {
    let sums = Set(stride(from: 2, to: 60, by: 3))
    let energies = (0..<60).map { sums.contains($0) ? 1e-2 : 1e-7 }
    let (kept, sessions) = try Self.kept(energies, sums: sums, limit: 0.01)
    #expect(Set(kept) == sums && sessions <= 44)
  }

  @Test func anEvenErrorLeavesNarrowWhatTheLimitAllows() throws {
    let (kept, _) = try Self.kept([Double](repeating: 1e-4, count: 64), limit: 0.04)
    #expect((48...52).contains(kept.count), "\(kept.count)")
  }

  @Test func whereNothingHoldsAllStays() throws {
    let energies = [Double](repeating: 1, count: 300)
    #expect(try Self.kept(energies, limit: 0.5).0.count == 300)
    #expect(try Self.kept([1], limit: 0.5).0 == [0])
  }

  // MARK: Models

  private static func product(_ rows: Int, _ columns: Int, seed: UInt64, scale: Float = 0.17) throws -> Tensor {
    var draw = Draw(seed)
    return try .of(draw.normals(rows * columns).map { $0 * scale }, .float, shape: [rows, columns])
  }

  private static func samples(_ count: Int = 2) throws -> [[String: Tensor]] {
    try (0..<count).map { ["x": try product(4, 32, seed: 100 + UInt64($0), scale: 1)] }
  }

  private static func converted(
    _ model: Model, _ type: DataType, drop: Double, measure: Accuracy.Measure = .greatest,
    samples: [[String: Tensor]]? = nil
  ) throws -> QuantizationRun.Result {
    var run = QuantizationRun(model)
    run.checksSpeed = false
    run.accuracyDrop = drop
    run.accuracyMeasure = measure
    let set = CalibrationSet(try samples ?? Self.samples())
    let evaluation = try Evaluation(model, set, session: SessionOptions())
    return try run.converted(
      model, FloatConversionOptions(type), [],
      QuantizationRun.Setting(evaluation: evaluation, session: SessionOptions(), float: model))
  }

  /// The greatest max|a - b| / max|a|, by the portable evaluation.
  private static func error(_ a: Model, _ b: Model) throws -> Float {
    try samples().map { sample in
      let (x, y) = (
        try WeightModels.run(a, Array(sample.values)), try WeightModels.run(b, Array(sample.values))
      )
      let most = x.reduce(0) { max($0, $1.magnitude) }
      return zip(x, y).reduce(0) { max($0, ($1.0 - $1.1).magnitude) } / most
    }.max() ?? .infinity
  }

  /// The element type that each node of an operator computes in.
  private static func types(_ model: Model, _ type: String) throws -> [DataType?] {
    let inference = ShapeInference(model.graph)
    try inference.run()
    return model.graph.allNodes.filter { model.graph[$0].is(type) }.map { id in
      model.graph[id].output(0).flatMap { inference[$0].dataType }
    }
  }

  @Test func whatFloat16DoesNotHoldStaysAndSaysSo() throws {
    let text = """
      g (float[4, 32] x, float[32, 32] v, float[32, 32] w) => (float[4, 32] y) {
        a = MatMul (x, v) b = MatMul (a, w) c = MatMul (b, w) y = MatMul (c, v)
      }
      """
    let model = try WeightModels.model(
      text, ["v": Self.product(32, 32, seed: 1), "w": Self.product(32, 32, seed: 2, scale: 6e-5)])
    let result = try Self.converted(model, .float16, drop: 0.01)
    #expect(try Self.types(result.model, "MatMul") == [.float16, .float16, .float, .float])
    #expect(try Self.error(model, result.model) <= 0.01)
    let reasons = result.floats?.keptNodes.map(\.reason) ?? []
    #expect(reasons.count == 2 && reasons.allSatisfy { $0.contains("below 6.1e-05") }, "\(reasons)")
    let held = try #require(result.held)
    #expect(held.before > 0.01 && held.after <= 0.01 && held.after == result.drop && held.sessions <= 6)
    #expect(result.narrow?.narrowProducts == 2 && result.narrow?.products == 4)
    #expect(result.narrow.map { $0.narrowMultiplyAdds * 2 == $0.multiplyAdds } == true)
    // bfloat16 holds all of it.
    #expect(try Self.converted(model, .bfloat16, drop: 0.02).narrow?.narrowProducts == 4)
  }

  /// Twelve products; behind the sixth a sum with 1000 leaves bfloat16 no digits.
  private static func chain() throws -> Model {
    var text = "g (float[4, 32] x, float[32, 32] v, float[1] big) => (float[4, 32] h12) {\n"
    for index in 0..<12 {
      let from = index == 0 ? "x" : "h\(index)"
      text += "m\(index) = MatMul (\(from), v) "
      if index == 5 {
        text += "s = Add (m5, big) t = Sub (s, big) h6 = LeakyRelu <alpha = 0.9> (t)\n"
      } else {
        text += "h\(index + 1) = LeakyRelu <alpha = 0.9> (m\(index))\n"
      }
    }
    return try WeightModels.model(
      text + "}", ["v": product(32, 32, seed: 3), "big": .of([1000 as Float], .float)])
  }

  @Test func anErrorInOnePlaceKeepsOneStretch() throws {
    let model = try Self.chain()
    let result = try Self.converted(model, .bfloat16, drop: 0.05)
    let products = try Self.types(result.model, "MatMul")
    #expect(products.count == 12 && products.count { $0 == .float } == 1 && products[5] == .float, "\(products)")
    #expect(try Self.types(result.model, "Add") == [.float])
    #expect(try Self.error(model, result.model) <= 0.05)
    let kept = try #require(result.floats?.keptNodes)
    #expect(kept.count == 4 && kept.allSatisfy { $0.reason.contains("kept for the accuracy asked for") }, "\(kept)")
    #expect(result.held.map { $0.before > 0.05 && $0.sessions <= FloatTrials.budget } == true)
    // The same again.
    let again = try Self.converted(model, .bfloat16, drop: 0.05)
    #expect(again.floats?.keptNodes.map(\.node) == kept.map(\.node))
    // Other measures lead there, too.
    let cosine = try Self.converted(model, .bfloat16, drop: 1e-3, measure: .cosine)
    #expect(try Self.types(cosine.model, "Add") == [.float] && cosine.drop ?? 1 <= 1e-3)
    #expect((cosine.narrow?.narrowProducts ?? 0) >= 10)
  }

  @Test func aLimitThatNothingNarrowMeetsLeavesFloat32() throws {
    let model = try Self.chain()
    let result = try Self.converted(model, .bfloat16, drop: 1e-6)
    #expect(result.floats?.convertedNodes == 0)
    let kept = try #require(result.floats?.keptNodes)
    #expect(kept.count == 26 && kept.allSatisfy { $0.reason.contains("kept for the accuracy asked for") })
    #expect(WeightModels.operators(result.model) == WeightModels.operators(model))
    #expect(result.held.map { $0.sessions <= FloatTrials.budget && $0.after <= 1e-5 } == true)
  }

  @Test func bodiesAndOpenDimensionsAreSearchedToo() throws {
    let text = """
      g (float[N, 32] x, float[32, 32] v, float[1] big) => (float[N, 32] y) {
        a = MatMul (x, v) r = ReduceMax <keepdims = 0> (a) z = Sub (r, r) c = GreaterOrEqual (r, z)
        b = If (c) <
          then_branch = t () => (float[N, 32] p) { o = MatMul (a, v) k = Add (o, big) p = Sub (k, big) },
          else_branch = e () => (float[N, 32] q) { q = Neg (a) }
        >
        y = MatMul (b, v)
      }
      """
    let model = try WeightModels.model(
      text, ["v": Self.product(32, 32, seed: 3), "big": .of([1000 as Float], .float)])
    let samples = try [3, 5].map { ["x": try Self.product($0, 32, seed: UInt64($0), scale: 1)] }
    let result = try Self.converted(model, .bfloat16, drop: 0.03, samples: samples)
    #expect(try Self.types(result.model, "MatMul") == [.bfloat16, .float, .bfloat16])
    #expect(result.drop ?? 1 <= 0.03)
  }

  @Test func withoutSamplesThereIsAnError() throws {
    let model = try Self.chain()
    var run = QuantizationRun(model)
    run.form = .floats(try FloatConversionOptions(.bfloat16), keeping: [])
    run.accuracyDrop = 0.02
    #expect {
      try run.run()
    } throws: {
      "\($0)".contains("there are none")
    }
  }

  @Test func theGreatestMagnitudePassesOverInfinities() throws {
    let observer = MagnitudeObserver()
    try observer.observe(.of([1, -3, 2] as [Float], .float))
    #expect(observer.greatest == 3)
    try observer.observe(.of([-Float.infinity, 7, .nan] as [Float], .float))
    #expect(observer.greatest == 7)
  }

  @Test func theGreatestDifferenceIsThatOfTheWorstSample() throws {
    var sums = OutputSums()
    try sums.add(.of([1, -100] as [Float], .float), .of([1, -99] as [Float], .float))
    try sums.add(.of([1, 2] as [Float], .float), .of([1.1, 2] as [Float], .float))
    try sums.add(.of([0, 0] as [Float], .float), .of([0, 0] as [Float], .float))
    let output = sums.result("y")
    #expect(abs(output.maxRel - 0.05) < 1e-6)
    let accuracy = Accuracy(samples: 3, outputs: [output], floatTop1: 0.9, top1: 0.8)
    #expect(accuracy.drop(by: .greatest) == output.maxRel)
  }
}
