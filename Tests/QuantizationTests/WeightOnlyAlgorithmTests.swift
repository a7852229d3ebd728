import Cameo
import GraphIR
import Operators
import PassKit
import Tensors
import Testing

@testable import Quantization

/// How codes are found.
@Suite struct WeightOnlyAlgorithmTests {
  private static let depth = 96
  private static let rows = 8

  /// Correlated inputs with a few large channels, [count, depth].
  private static func activations(_ count: Int, seed: UInt64) -> [Float] {
    var draw = Draw(seed)
    var result: [Float] = []
    for _ in 0..<count {
      let common = draw.normal()
      for channel in 0..<depth {
        let size: Float = channel % 24 == 5 ? 8 : 1
        result.append(size * (0.8 * common + 0.6 * draw.normal()))
      }
    }
    return result
  }

  private static func statistics(seed: UInt64 = 3) throws -> ActivationStatistics {
    let (gram, channels) = (GramObserver(), ChannelMoments(axis: -1))
    for part in 0..<4 {
      let tensor = try Tensor.of(activations(64, seed: seed + UInt64(part)), .float, shape: [4, 16, depth])
      try gram.observe(tensor)
      try channels.observe(tensor)
    }
    return try #require(ActivationStatistics([gram, channels]))
  }

  private static func matrix(seed: UInt64 = 4) -> WeightMatrix {
    var draw = Draw(seed)
    return WeightMatrix(type: .float, depth: depth, values: draw.normals(rows * depth))
  }

  private static func outputError(_ matrix: WeightMatrix, _ result: QuantizedMatrix, _ gram: [Float]) -> Double {
    let errors = zip(result.dequantized(), matrix.values).map { $0 - $1 }
    return OutputError.squared(errors, rows: matrix.rows, depth: matrix.depth, gram: gram)
  }

  @Test func theSearchLowersTheSquaredError() throws {
    let matrix = Self.matrix()
    for encoding in [WeightFormat.Encoding.int4, .uint4, .int2, .nf4, .fp4, .int8] {
      let format = try WeightFormat(encoding)
      let plain = try RoundToNearest.quantize(matrix, format, searches: false).dequantized()
      let searched = try RoundToNearest.quantize(matrix, format, searches: true).dequantized()
      #expect(
        WeightModels.relativeError(matrix.values, searched) < WeightModels.relativeError(matrix.values, plain),
        "\(encoding)")
    }
  }

  @Test func theInverseFactorIsOne() throws {
    // More than one panel of rows.
    let n = 150
    var draw = Draw(13)
    let a = draw.normals(n * n)
    var h = [Float](repeating: 0, count: n * n)
    for i in 0..<n { for j in 0..<n { for p in 0..<n { h[i * n + j] += a[i * n + p] * a[j * n + p] / Float(n) } } }
    let damping = 0.05
    let upper = try InverseFactor.upper(h, size: n, damping: damping)
    let added = Float(damping) * (0..<n).reduce(0) { $0 + h[$1 * n + $1] } / Float(n)
    for i in 0..<n { h[i * n + i] += added }
    // U^T U H = 1.
    var product = [Double](repeating: 0, count: n * n)
    for i in 0..<n {
      for j in 0..<n {
        product[i * n + j] = (0...min(i, j)).reduce(0.0) {
          $0 + Double(upper[$1 * n + i]) * Double(upper[$1 * n + j])
        }
      }
    }
    var worst = 0.0
    for i in 0..<n {
      for j in 0..<n {
        let value = (0..<n).reduce(0.0) { $0 + product[i * n + $1] * Double(h[$1 * n + j]) }
        worst = max(worst, (value - (i == j ? 1 : 0)).magnitude)
      }
    }
    #expect(worst < 1e-3)
    for i in 1..<n { #expect(upper[i * n..<i * n + i].allSatisfy { $0 == 0 }) }
  }

  @Test func anIndefiniteMatrixIsRefused() {
    #expect(throws: CameoError.self) { try InverseFactor.upper([1, 0, 0, -1e9], size: 2, damping: 0.01) }
    #expect(throws: CameoError.self) { try InverseFactor.upper([.nan, 0, 0, 1], size: 2, damping: 0.01) }
  }

  @Test(arguments: [true, false])
  func gptqRoundsToNearestWhereInputsHaveNothingInCommon(_ ordered: Bool) throws {
    let matrix = Self.matrix()
    var gram = [Float](repeating: 0, count: Self.depth * Self.depth)
    for index in 0..<Self.depth { gram[index * (Self.depth + 1)] = 1 }
    let format = try WeightFormat(.uint4)
    let found = try OptimalRounding.quantize(matrix, format, gram: gram, .init(ordersByActivation: ordered))
    let nearest = try RoundToNearest.quantize(matrix, format, searches: true)
    #expect(found.codes == nearest.codes)
    #expect(found.blocks == nearest.blocks)
  }

  @Test func gptqCostsTheOutputLess() throws {
    let matrix = Self.matrix()
    let gram = try Self.statistics().gram
    for encoding in [WeightFormat.Encoding.int4, .uint4, .int2, .nf4, .fp4] {
      let format = try WeightFormat(encoding)
      let nearest = Self.outputError(matrix, try RoundToNearest.quantize(matrix, format, searches: true), gram)
      for ordered in [true, false] {
        let result = try OptimalRounding.quantize(matrix, format, gram: gram, .init(ordersByActivation: ordered))
        #expect(Self.outputError(matrix, result, gram) < 0.6 * nearest, "\(encoding), ordered \(ordered)")
      }
    }
  }

  @Test func gptqTakesBlocksThatAreLongerThanItsStretch() throws {
    var draw = Draw(14)
    let depth = 300
    let matrix = WeightMatrix(type: .float, depth: depth, values: draw.normals(4 * depth))
    let observer = GramObserver()
    let x = (0..<64).flatMap { _ -> [Float] in
      let common = draw.normal()
      return (0..<depth).map { _ in common + 0.5 * draw.normal() }
    }
    try observer.observe(.of(x, .float, shape: [64, depth]))
    for size in [256, 128, nil] {
      let format = try WeightFormat(.int4, groupSize: size)
      let nearest = try RoundToNearest.quantize(matrix, format, searches: true)
      for ordered in [true, false] {
        let result = try OptimalRounding.quantize(
          matrix, format, gram: observer.gram, .init(ordersByActivation: ordered))
        #expect(
          Self.outputError(matrix, result, observer.gram) < 0.5 * Self.outputError(matrix, nearest, observer.gram))
      }
    }
  }

  @Test func anInputThatWasAlwaysZeroKeepsItsWeights() throws {
    let matrix = Self.matrix()
    var gram = try Self.statistics().gram
    for index in 0..<Self.depth { (gram[7 * Self.depth + index], gram[index * Self.depth + 7]) = (0, 0) }
    let result = try OptimalRounding.quantize(matrix, try WeightFormat(.int8), gram: gram, .init())
    let found = result.dequantized()
    for row in 0..<Self.rows {
      let (a, b) = (matrix.values[row * Self.depth + 7], found[row * Self.depth + 7])
      #expect((a - b).magnitude < 0.05)
    }
  }

  @Test func hqqLowersTheErrorsOfMostNumbers() throws {
    // Blocks with one outlier each: the zero point follows the others.
    var draw = Draw(15)
    let values = (0..<32 * 32).map { $0 % 32 == 9 ? 4 + draw.uniform() : draw.normal() * 0.5 + 0.3 }
    let matrix = WeightMatrix(type: .float, depth: 32, values: values)
    let format = try WeightFormat(.uint4)
    func deviation(_ result: QuantizedMatrix) -> Double {
      zip(result.dequantized(), values).reduce(0) { $0 + Double(power(($1.0 - $1.1).magnitude, 0.7)) }
    }
    let nearest = deviation(try RoundToNearest.quantize(matrix, format, searches: false))
    let whole = deviation(try HalfQuadratic.quantize(matrix, format, fractionalZeros: false))
    let result = try HalfQuadratic.quantize(matrix, format, fractionalZeros: true)
    #expect(whole <= nearest)
    #expect(deviation(result) < 0.98 * nearest)
    #expect(!result.hasWholeZeros)
  }

  @Test func awqScalesWhatCarriesLargeActivations() throws {
    let matrix = Self.matrix()
    let seen = try Self.statistics()
    let format = try WeightFormat(.int4)
    let factors = try #require(
      try ActivationScaling.factors([(matrix, format)], gram: seen.gram, magnitudes: seen.magnitudes))
    #expect(factors[5] > factors[4])
    let plain = try RoundToNearest.quantize(matrix, format, searches: false)
    let scaled = try RoundToNearest.quantize(matrix.scaled(by: factors), format, searches: false)
    let inverse = factors.map { 1 / $0 }
    let back = WeightMatrix(type: .float, depth: Self.depth, values: scaled.dequantized()).scaled(by: inverse)
    let errors = zip(back.values, matrix.values).map { $0 - $1 }
    let found = OutputError.squared(errors, rows: Self.rows, depth: Self.depth, gram: seen.gram)
    #expect(found < 0.9 * Self.outputError(matrix, plain, seen.gram))
  }

  @Test func awqFoldsItsFactorsWhereOnlyProductsReadThem() throws {
    let seen = try Self.statistics()
    let k = Self.depth
    let text = { (tail: String) in
      """
      g (float[4, \(k)] x, float[\(k)] s, float[\(k)] b, float[\(k), 8] v, float[\(k), 8] w) => (float[4, 8] y\(tail)
      """
    }
    var draw = Draw(16)
    let constants = try [
      "s": Tensor.of(draw.normals(k), .float), "b": .of(draw.normals(k), .float),
      "v": .of(draw.normals(k * 8), .float, shape: [k, 8]), "w": .of(draw.normals(k * 8), .float, shape: [k, 8]),
    ]
    let norm = "n = LayerNormalization <axis = -1> (x, s, b)"
    let products = "p = MatMul (n, v) q = MatMul (n, w) y = Add (p, q)"
    let folded = try WeightModels.model(text(") { \(norm) \(products) }"), constants)
    let shared = try WeightModels.model(text(", float[4, \(k)] z) { \(norm) \(products) z = Abs (n) }"), constants)
    let x = try Tensor.of(Self.activations(4, seed: 20), .float, shape: [4, k])
    let options = try WeightModels.options(WeightFormat(.int8)) { $0.algorithm = .awq }
    for (model, multiplies) in [(folded, 0), (shared, 1)] {
      let node = try #require(model.graph.nodes.first { model.graph[$0].is("MatMul") })
      let value = try #require(model.graph[node].input(0))
      let result = try WeightModels.quantize(model, options, statistics: [value: seen]).model
      #expect(WeightModels.operators(result).filter { $0 == "Mul" }.count == multiplies)
      let error = WeightModels.relativeError(try WeightModels.run(model, [x]), try WeightModels.run(result, [x]))
      #expect(error < 1e-3)
    }
  }

  @Test func theWholeChainObservesAndRounds() throws {
    var draw = Draw(17)
    let model = try WeightModels.product(
      .of(draw.normals(Self.depth * 8), .float, shape: [Self.depth, 8]), rows: 64)
    let x = try Tensor.of(Self.activations(64, seed: 21), .float, shape: [64, Self.depth])
    let expected = try WeightModels.run(model, [x])
    var errors: [WeightAlgorithm: Double] = [:]
    for algorithm in [WeightAlgorithm.roundToNearest, .awq, .gptq, .awqGPTQ] {
      let options = try WeightModels.options(WeightFormat(.uint4)) { $0.algorithm = algorithm }
      let observers = try WeightOnlyQuantizer(options).observers(for: model.graph)
      #expect(observers.isEmpty == !algorithm.needsActivations)
      for list in observers.values { for observer in list { try observer.observe(x) } }
      let journal = WeightOnlyJournal()
      let result = try WeightModels.quantize(
        model, options, statistics: WeightOnlyQuantizer.statistics(observers), journal: journal
      ).model
      errors[algorithm] = WeightModels.relativeError(expected, try WeightModels.run(result, [x]))
      if algorithm.needsActivations {
        let told = try #require(journal.weights.first?.relativeOutputError)
        #expect((told / (errors[algorithm] ?? 0) - 1).magnitude < 0.01)
      }
    }
    let nearest = try #require(errors[.roundToNearest])
    #expect(try #require(errors[.awq]) < nearest)
    #expect(try #require(errors[.gptq]) < 0.6 * nearest)
    #expect(try #require(errors[.awqGPTQ]) < 0.6 * nearest)
  }

  @Test func withoutActivationsWeightsAreRoundedToNearestAndTheReportSaysSo() throws {
    var draw = Draw(18)
    let model = try WeightModels.product(.of(draw.normals(64 * 8), .float, shape: [64, 8]))
    let options = try WeightModels.options(WeightFormat(.int4)) { $0.algorithm = .gptq }
    let (result, report) = try WeightModels.quantize(model, options)
    #expect(WeightModels.operators(result).contains("DequantizeLinear"))
    #expect(
      report.nearMisses.map(\.reason) == ["no activations were observed: its weight is rounded to nearest"])
  }
}
