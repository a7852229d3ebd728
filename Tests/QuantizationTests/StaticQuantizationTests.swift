import CPUProvider
import Cameo
import GraphIR
import InferenceRuntime
import ONNXFormat
import Operators
import PassKit
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct StaticQuantizationTests {
  private static func model(_ text: String) throws -> Model { Model(graph: try ONNXText.parseGraph(text)) }

  private static func samples(_ name: String, _ shape: [Int], count: Int = 8, scale: Float = 1) -> CalibrationSet {
    CalibrationSet(count: count) { index in
      guard index < count else { return nil }
      var state = UInt64(index + 1)
      let values = (0..<shape.reduce(1, *)).map { _ -> Float in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (Float(state >> 40) / Float(1 << 24) - 0.5) * 2 * scale
      }
      return [name: try Tensor.of(values, .float, shape: shape)]
    }
  }

  private static func operators(_ model: Model) -> [String: Int] {
    Dictionary(grouping: model.graph.allNodes.map { model.graph[$0].type }, by: { $0 }).mapValues(\.count)
  }

  private static func quantized(
    _ text: String, _ set: CalibrationSet, _ change: (inout StaticQuantizer) -> Void = { _ in }
  ) throws -> (model: Model, placement: QuantizationPlacement, source: Model) {
    var quantizer = StaticQuantizer(providers: [CPUProvider()])
    change(&quantizer)
    let source = try model(text)
    let calibrated = try quantizer.calibrate(source, over: set)
    let quantized = try quantizer.quantize(calibrated)
    let (result, placement) = (quantized.model, quantized.placement)
    return (result, placement, source)
  }

  /// max |a - b| / max |a| of the first output on one sample.
  private static func difference(_ a: Model, _ b: Model, _ set: CalibrationSet) throws -> Double {
    var worst = 0.0
    try set.forEach(limit: 2) { sample in
      let x = try Session(a, providers: []).run(values: sample.inputs).first?.value.tensor
      let y = try Session(b, providers: []).run(values: sample.inputs).first?.value.tensor
      worst = max(worst, Closeness.between(try #require(x), try #require(y)).maxRel)
    }
    return worst
  }

  private static let perceptron = """
    g (float[N, 4] x) => (float[N, 3] y) <float[4, 4] w = {1, -2, 3, 4, 5, 6, -7, 8, 0.5, 1, 2, -3, 1, 1, 2, 2},
      float[4, 3] v = {1, 0, 2, -1, 3, 1, 0, 2, 4, 1, 1, -2}, float[4] b = {0.5, 1, -1, 0}> {
      h = MatMul (x, w)
      a = Add (h, b)
      r = Relu (a)
      y = MatMul (r, v)
    }
    """

  @Test func productsReadQuantizedDataAndWeights() throws {
    let set = Self.samples("x", [2, 4])
    let (model, placement, source) = try Self.quantized(Self.perceptron, set)
    #expect(placement.products.count == 2)
    #expect(placement.exceptions.isEmpty)
    #expect(Self.operators(model) == ["MatMul": 2, "Add": 1, "Relu": 1, "QuantizeLinear": 2, "DequantizeLinear": 4])
    let difference = try Self.difference(source, model, set)
    // Steps of 1 / 255 of the ranges, four terms a sum, two products.
    #expect(difference < 0.04)
    #expect(try IntegerCoverage(model).integerCount == 2)
  }

  @Test func whatStaysFloatHasItsReason() throws {
    let (_, placement, source) = try Self.quantized(
      """
      g (float[2, 4] x, float[4, 2] z) => (float[2, 2] y, float[4, 2] u, float[1, 1, 4, 6] t) <float[4, 4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7}, float[1, 1, 2, 2] k = {1, 2, 3, 4}, int64[4] s = {1, 1, 3, 5}, float[1, 1, 3, 5] c = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6}> {
        y = MatMul (x, z)
        u = MatMul (w, z)
        i = Reshape (c, s)
        t = ConvTranspose (i, k)
      }
      """, CalibrationSet([["x": try Tensor.scalar(1, .float).reshaped([1]), "z": try Tensor.scalar(1, .float)]]))
    let reasons = placement.exceptions.map { "\(source.graph[$0.node].type): \($0.reason)" }
    #expect(
      reasons == [
        "MatMul: both operands are computed: there are no weights to quantize beforehand",
        "MatMul: its weights are on the left", "ConvTranspose: transposed convolutions have no integer kernel",
      ])
  }

  @Test func dataMovementSharesAScale() throws {
    let set = Self.samples("x", [1, 2, 4, 4])
    let (model, placement, _) = try Self.quantized(
      """
      g (float[1, 2, 4, 4] x) => (float[1, 2, 2, 2] y) <float[2, 2, 1, 1] w = {1, 2, 3, 4}, float[2, 4, 1, 1] v = {1, 2, 3, 4, 5, 6, 7, 8}> {
        a = Conv (x, w)
        c = Concat <axis = 1> (a, x)
        m = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (c)
        y = Conv (m, v)
      }
      """, set)
    // x feeds a product and the Concat: a, x, c and m have one scale.
    #expect(placement.values.count == 4)
    #expect(Set(placement.values.map(\.group)).count == 1)
    #expect(Self.operators(model)["QuantizeLinear"] == 4)
  }

  @Test func residualSumsOfImagesReadIntegersThoseOfTokensFloats() throws {
    let image = try Self.quantized(
      """
      g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) <float[2, 2, 1, 1] w = {1, 2, 3, 4}> {
        a = Conv (x, w)
        r = Relu (a)
        b = Conv (r, w)
        s = Add (b, r)
        y = Conv (s, w)
      }
      """, Self.samples("x", [1, 2, 4, 4]))
    func residual(_ model: Model) throws -> [String] {
      let add = try #require(model.graph.allNodes.first { model.graph[$0].is("Add") })
      return model.graph[add].inputs.map { model.graph.producer($0).map { model.graph[$0].type } ?? "-" }
    }
    #expect(try residual(image.model) == ["Conv", "DequantizeLinear"])
    let tokens = try Self.quantized(
      """
      g (float[2, 4] x) => (float[2, 4] y) <float[4, 4] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3, 4, 5, 6, 7}> {
        r = Relu (x)
        b = MatMul (r, w)
        y = Add (b, r)
      }
      """, Self.samples("x", [2, 4]))
    #expect(try residual(tokens.model) == ["MatMul", "Relu"])
  }

  /// One product adds the other's result to its own sums, which is therefore kept in 8 bits.
  @Test(arguments: [
    ("s = Add (b, d)", ["Conv", "DequantizeLinear"]), ("s = Add (d, b)", ["Conv", "DequantizeLinear"]),
    ("e = Relu (b) s = Add (e, d)", ["DequantizeLinear", "Conv"]),
    ("e = Relu (b) s = Add (d, e)", ["Conv", "DequantizeLinear"]),
    ("e = Relu (b) f = Relu (d) s = Add (e, f)", ["Relu", "Relu"]),
    ("t = Add (b, b) s = Mul (t, d)", ["Conv", "Conv"]),
  ])
  func ofTwoProductsThatAreSummedOneIsRounded(_ sum: String, _ expected: [String]) throws {
    let image = try Self.quantized(
      """
      g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) <float[2, 2, 1, 1] w = {1, 2, -3, 4}, float[2, 2, 1, 1] v = {2, -1, 1, 3}> {
        b = Conv (x, w)
        d = Conv (x, v)
        \(sum)
        r = Relu (s)
        y = Conv (r, w)
      }
      """, Self.samples("x", [1, 2, 4, 4]))
    let graph = image.model.graph
    let add = try #require(graph.allNodes.first { graph[$0].is("Add") })
    #expect(graph[add].inputs.map { graph.producer($0).map { graph[$0].type } ?? "-" } == expected)
  }

  @Test(arguments: [("HardSigmoid", ""), ("Sigmoid", ""), ("Softplus", "t = Tanh (g)")])
  func nothingIsRoundedInsideAnActivationThatSeveralNodesAreWrittenFor(_ gate: String, _ more: String) throws {
    let made = try Self.quantized(
      """
      g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) <float[2, 2, 1, 1] w = {1, 2, 3, -4}, float s = {0.5}, float o = {0.1}> {
        a = Conv (x, w)
        g = \(gate) (a)
        \(more)
        h = Mul (a, \(more.isEmpty ? "g" : "t"))
        m = Mul (h, s)
        n = Add (m, o)
        y = Conv (n, w)
      }
      """, Self.samples("x", [1, 2, 4, 4]))
    let names = made.placement.values.map { made.source.graph[$0.value].name }
    #expect(names == ["x", "n"])
  }

  /// Taps that cancel out over data with a large mean: rounded one by one they do not.
  @Test(arguments: ["group", "dense", "matrix"])
  func roundingByDataKeepsProductsResults(_ kind: String) throws {
    func numbers(_ count: Int) -> [Float] {
      var values = (0..<count).map { Float($0 * 37 % 101) / 101 - 0.5 }
      for first in stride(from: 0, to: count, by: 18) {
        let part = first..<min(first + 18, count)
        let mean = values[part].reduce(0, +) / Float(part.count)
        for index in part { values[index] -= mean }
      }
      return values
    }
    func text(_ values: [Float]) -> String { values.map { "\($0)" }.joined(separator: ", ") }
    let transposed = (0..<36).map { numbers(36)[$0 % 2 * 18 + $0 / 2] }
    let product =
      kind == "group"
      ? "y = Conv <group = 2, kernel_shape = [3, 3]> (a, w)"
      : kind == "dense" ? "y = Conv <kernel_shape = [3, 3]> (a, w)" : "r = Reshape (a, s) y = MatMul (r, w)"
    // Enough filters for chance to even out: the nearest codes of one may happen to cancel out, too.
    let shape = kind == "group" ? "64, 1, 3, 3" : kind == "dense" ? "2, 2, 3, 3" : "18, 2"
    let source = """
      g (float[1, 2, 6, 6] x) => (float y) <float t = {20}, int64[2] s = {4, 18}, float[\(shape)] w = {\(text(kind == "matrix" ? transposed : numbers(kind == "group" ? 576 : 36)))}> {
        a = Add (x, t)
        \(product)
      }
      """
    let set = Self.samples("x", [1, 2, 6, 6], count: 16)
    func error(_ rounds: Bool) throws -> Double {
      let made = try Self.quantized(source, set) {
        $0.options.weights = .int4
        $0.options.activations = .uint16
        $0.roundsByData = rounds
      }
      return try Self.difference(made.source, made.model, set)
    }
    #expect(try error(true) < error(false) / 2)
  }

  @Test func smoothingMovesOutliersAndChangesNothingInFloat() throws {
    let text = """
      g (float[N, 4] x) => (float[N, 2] y) <float[4] s = {1, 1, 60, 1}, float[4] o = {0, 0, 1, 0}, float[4, 2] w = {0.5, -0.3, 0.2, 0.8, 0.01, 0.02, -0.4, 0.6}> {
        n = LayerNormalization (x, s, o)
        y = MatMul (n, w)
      }
      """
    let set = Self.samples("x", [4, 4], scale: 3)
    let source = try Self.model(text)
    var quantizer = StaticQuantizer(providers: [])
    quantizer.smoothing = .searched
    let calibrated = try quantizer.calibrate(source, over: set)
    // The division went into LayerNormalization: no node was added.
    #expect(Self.operators(calibrated.model) == ["LayerNormalization": 1, "MatMul": 1])
    #expect(try Self.difference(source, calibrated.model, set) < 1e-5)
    let smoothed = try Self.difference(source, try quantizer.quantize(calibrated).model, set)
    let plain = try Self.difference(source, try Self.quantized(text, set).model, set)
    #expect(smoothed < plain / 3)
  }

  @Test(arguments: ["group = 2,", ""]) func smoothingOfImages(_ group: String) throws {
    let weights = group.isEmpty ? "2, 2, 1, 1] w = {1, 0.02, -2, 0.03}" : "2, 1, 1, 1] w = {1, 0.02}"
    let text = """
      g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) <float[2, 1, 1] s = {1, 60}, float[\(weights)> {
        n = Mul (x, s)
        y = Conv <\(group) kernel_shape = [1, 1]> (n, w)
      }
      """
    let set = Self.samples("x", [1, 2, 4, 4], scale: 3)
    let source = try Self.model(text)
    var quantizer = StaticQuantizer(providers: [])
    quantizer.smoothing = .searched
    let calibrated = try quantizer.calibrate(source, over: set)
    #expect(Self.operators(calibrated.model) == ["Mul": 1, "Conv": 1])
    #expect(try Self.difference(source, calibrated.model, set) < 1e-5)
    let smoothed = try Self.difference(source, try quantizer.quantize(calibrated).model, set)
    let plain = try Self.difference(source, try Self.quantized(text, set).model, set)
    #expect(smoothed < plain / 3)
  }

  /// The division goes into the constants behind which the value is made: no node is added.
  @Test(arguments: [
    ("n = Conv <kernel_shape = [1, 1]> (x, v, b)", ["Conv": 2]),
    ("c = Conv <kernel_shape = [1, 1]> (x, v) m = Mul (c, k) n = Add (m, o)", ["Conv": 2, "Mul": 1, "Add": 1]),
    ("c = Conv <kernel_shape = [1, 1]> (x, v) m = Mul (s, c) n = Sub (o, m)", ["Conv": 2, "Mul": 1, "Sub": 1]),
    ("c = Relu (x) n = Add (c, s)", ["Conv": 1, "Relu": 1, "Add": 1, "Mul": 1]),
  ])
  func smoothingFoldsIntoConstants(_ made: String, _ operators: [String: Int]) throws {
    let source = try Self.model(
      """
      g (float[1, 2, 4, 4] x) => (float[1, 2, 4, 4] y) <float[2, 2, 1, 1] v = {1, 0.5, 60, -20}, float[2] b = {0.1, 3}, float[1, 2, 1, 1] s = {1, 60},
        float k = {3}, float o = {0.5}, float[2, 1, 1, 1] w = {1, 0.02}> {
        \(made)
        y = Conv <group = 2, kernel_shape = [1, 1]> (n, w)
      }
      """)
    let set = Self.samples("x", [1, 2, 4, 4], scale: 3)
    var quantizer = StaticQuantizer(providers: [])
    quantizer.smoothing = .searched
    // Only the last convolution's data is to be divided.
    quantizer.options.kept = ["n": "it is looked at", "c": "it is looked at"]
    let calibrated = try quantizer.calibrate(source, over: set)
    #expect(Self.operators(calibrated.model) == operators)
    #expect(calibrated.nearMisses.isEmpty)
    #expect(try Self.difference(source, calibrated.model, set) < 1e-5)
  }

  @Test func outliersAreMultipliedInFloat() throws {
    let weights = (0..<64 * 2).map { "\(Float($0 % 7) - 3)" }.joined(separator: ", ")
    let scales = (0..<64).map { $0 == 5 ? "200" : "1" }.joined(separator: ", ")
    let text = """
      g (float[N, 64] x) => (float[N, 2] y) <float[64] s = {\(scales)}, float[64, 2] w = {\(weights)}> {
        n = Mul (x, s)
        y = MatMul (n, w)
      }
      """
    let set = Self.samples("x", [4, 64])
    let split = try Self.quantized(text, set) { $0.outlierThreshold = 6 }
    #expect(Self.operators(split.model)["MatMul"] == 2)
    #expect(split.placement.exceptions.map(\.reason) == ["it multiplies outlying channels"])
    let plain = try Self.quantized(text, set)
    #expect(try Self.difference(split.source, split.model, set) < Self.difference(plain.source, plain.model, set) / 5)
  }

  @Test func equalizationChangesNothingInFloatAndHelpsOneScale() throws {
    let text = """
      g (float[1, 1, 4, 4] x) => (float[1, 1, 4, 4] y) <float[3, 1, 1, 1] w = {100, 1, 0.01}, float[3] b = {1, 0.1, 0.001}, float[1, 3, 1, 1] v = {0.01, 1, 100}> {
        a = Conv (x, w, b)
        r = Relu (a)
        y = Conv (r, v)
      }
      """
    let set = Self.samples("x", [1, 1, 4, 4])
    let plain = try Self.quantized(text, set) { $0.options.isPerChannel = false }
    let even = try Self.quantized(text, set) {
      $0.options.isPerChannel = false
      $0.equalizes = true
    }
    var quantizer = StaticQuantizer(providers: [])
    quantizer.equalizes = true
    #expect(try Self.difference(plain.source, quantizer.calibrate(plain.source, over: set).model, set) < 1e-5)
    #expect(try Self.difference(even.source, even.model, set) < Self.difference(plain.source, plain.model, set) / 3)
  }

  @Test func biasCorrectionTakesTheMeanErrorAway() throws {
    // Data around 10, so that rounding the weights shifts the mean; the shift is what is corrected.
    let weights = (0..<48).map { "\(Float($0 * 37 % 101) / 101 - 0.4)" }.joined(separator: ", ")
    let text = """
      g (float[N, 16] x) => (float[N, 3] y) <float t = {10}, float[16, 3] w = {\(weights)}> {
        a = Add (x, t)
        y = MatMul (a, w)
      }
      """
    let set = Self.samples("x", [8, 16])
    func meanError(_ corrects: Bool) throws -> Double {
      let (model, _, source) = try Self.quantized(text, set) {
        $0.options.weights = .int4
        $0.options.activations = .uint16
        $0.correctsBias = corrects
      }
      var sums = [0.0, 0.0, 0.0]
      try set.forEach { sample in
        let a = try #require(try Session(source, providers: []).run(values: sample.inputs)["y"]?.tensor)
        let b = try #require(try Session(model, providers: []).run(values: sample.inputs)["y"]?.tensor)
        let (x, y) = (try a.elements(as: Double.self), try b.elements(as: Double.self))
        for index in x.indices { sums[index % 3] += y[index] - x[index] }
      }
      return sums.map(abs).reduce(0, +)
    }
    #expect(try meanError(true) < meanError(false) / 10)
  }

  @Test func weightsOfEachTypeComeBackWithinHalfAStep() throws {
    let values = (0..<30).map { Float($0 * 17 % 31) / 7 - 2 }
    let weights = try Tensor.of(values, .float, shape: [5, 6])
    for type in [DataType.int8, .uint8, .int4, .uint4] {
      for axis in [nil, 0, 1] as [Int?] {
        let codes = try WeightCodes(weights, as: type, axis: axis)
        let scales = try codes.scales.elements(as: Float.self)
        for (index, x) in try codes.dequantized().enumerated() {
          let channel = axis == 0 ? index / 6 : axis == 1 ? index % 6 : 0
          #expect(abs(x - values[index]) <= scales[channel] * 0.501)
        }
      }
    }
    #expect(throws: CameoError.self) { try WeightCodes(Tensor.of([Float.nan], .float), as: .int8, axis: nil) }
  }

  private static func archive(_ name: String) throws -> [String: Tensor] {
    let arrays = try NumPyFile.readArchive(path: Repository.models.appending(path: name).path)
    return Dictionary(arrays.map { ($0.name, $0.tensor) }, uniquingKeysWith: { a, _ in a })
  }

  @Test(arguments: ["digits_cnn", "digits_transformer"])
  func digitsKeepTheirAccuracy(_ name: String) throws {
    let images = try Self.archive("digits_heldout.npz")
    let expected = try Self.archive("digits_expected.npz")
    let calibration = try #require(try Self.archive("digits_calibration.npz")["image"])
    let all = try #require(images["image"])
    let labels = try #require(expected["label"]).ints()
    let source = try Model(contentsOf: Repository.models.appending(path: name + ".onnx").path).optimized(
      verifying: false
    ).model
    let quantizer = StaticQuantizer(providers: [CPUProvider()])
    let set = CalibrationSet([["image": calibration]])
    let model = try quantizer.quantize(quantizer.calibrate(source, over: set)).model
    let coverage = try IntegerCoverage(model, bindings: ["batch": 1])
    #expect(coverage.integerCount == coverage.products.count)
    func right(_ model: Model) throws -> Int {
      let session = try Session(model.optimized(level: 3, verifying: false).model, providers: [CPUProvider()])
      let logits = try #require(try session.run(["image": all])["logits"]).elements(as: Float.self)
      return labels.indices.count { row in
        let scores = logits[row * 10..<row * 10 + 10]
        return scores.firstIndex(of: scores.max() ?? 0) == row * 10 + labels[row]
      }
    }
    // Half a point of 1000.
    #expect(try right(model) >= right(source) - 5)
  }
}
