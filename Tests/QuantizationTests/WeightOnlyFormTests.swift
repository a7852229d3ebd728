import Cameo
import GraphIR
import PassKit
import Tensors
import Testing

@testable import Quantization

/// What is written: forms, places, refusals.
@Suite struct WeightOnlyFormTests {
  /// Format and the relative squared error that it stays within on normally distributed weights.
  private static let formats: [(WeightFormat, Double)] = {
    func format(_ encoding: WeightFormat.Encoding, _ size: Int?, _ scheme: WeightFormat.Scheme? = nil) -> WeightFormat {
      // The combinations below exist.
      // swift-format-ignore: NeverUseForceTry
      try! WeightFormat(encoding, groupSize: size, scheme: scheme)
    }
    return [
      (format(.int8, 32), 1e-4), (format(.int8, nil), 1e-4), (format(.uint8, 16), 1e-4),
      (format(.uint8, nil, .symmetric), 1e-4), (format(.int4, 32), 0.02), (format(.int4, nil), 0.03),
      (format(.int4, 16, .affine), 0.02), (format(.uint4, 64), 0.02), (format(.uint4, 32, .symmetric), 0.02),
      (format(.int2, 16), 0.3), (format(.uint2, 16), 0.3), (format(.nf4, 32), 0.02), (format(.nf4, nil), 0.02),
      (format(.fp4, 64), 0.03), (format(.float8e4m3fn, nil), 2e-3), (format(.float8e5m2, nil), 8e-3),
      (format(.float8e4m3fn, 128), 2e-3),
    ]
  }()

  @Test(arguments: formats.indices)
  func everyFormatComputesWithWhatItsCodesStandFor(_ index: Int) throws {
    let (format, bound) = Self.formats[index]
    var draw = Draw(UInt64(index + 1))
    // 80 is no multiple of 32, 64 or 128: the last block is shorter.
    let weight = try Tensor.of(draw.normals(80 * 12), .float, shape: [80, 12])
    let model = try WeightModels.product(weight)
    let x = try Tensor.of(draw.normals(3 * 80), .float, shape: [3, 80])
    let quantized = try WeightModels.quantize(model, WeightModels.options(format)).model
    try quantized.graph.verify()
    let found = try WeightModels.run(quantized, [x])
    let rounded = try RoundToNearest.quantize(
      WeightMatrix.of(weight, isTransposed: true), format, searches: false)
    let matrix = try Tensor.of(rounded.dequantized(), .float, shape: [12, 80])
    let expected = try WeightModels.run(
      WeightModels.model(
        "g (float[3, 80] x, float[12, 80] w) => (float[3, 12] y) { y = Gemm <transB = 1> (x, w) }", ["w": matrix]), [x])
    #expect(WeightModels.relativeError(expected, found) < 1e-10)
    let error = WeightModels.relativeError(try weight.elements(as: Float.self), transposed(rounded.dequantized(), 80))
    #expect(error < bound && error > bound / 100)
    #expect(WeightModels.operators(quantized).contains(format.encoding.isCodeBook ? "Gather" : "DequantizeLinear"))
  }

  private func transposed(_ values: [Float], _ width: Int) -> [Float] {
    let rows = values.count / width
    return (0..<values.count).map { values[$0 % rows * width + $0 / rows] }
  }

  @Test func microsoftsOperatorsGiveTheSameNumbers() throws {
    var draw = Draw(5)
    let weight = try Tensor.of(draw.normals(96 * 10), .float, shape: [96, 10])
    let x = try Tensor.of(draw.normals(3 * 96), .float, shape: [3, 96])
    for (encoding, size, name) in [
      (WeightFormat.Encoding.int4, 32, "MatMulNBits"), (.uint4, 64, "MatMulNBits"), (.int8, 32, "MatMulNBits"),
      (.uint8, 16, "MatMulNBits"), (.int2, 16, "MatMulNBits"), (.uint2, 32, "MatMulNBits"), (.nf4, 32, "MatMulBnb4"),
    ] {
      let options = WeightModels.options(try WeightFormat(encoding, groupSize: size))
      let model = try WeightModels.product(weight)
      let standard = try WeightModels.quantize(model, options).model
      let microsoft = try WeightModels.quantize(model, options, target: .ort).model
      #expect(WeightModels.operators(microsoft) == ["com.microsoft.\(name)"])
      let error = WeightModels.relativeError(
        try WeightModels.run(standard, [x]), try WeightModels.run(microsoft, [x]))
      #expect(error < 1e-10, "\(encoding) \(size)")
    }
  }

  @Test func aChainOfReplacedOperatorsHoldsTogether() throws {
    var draw = Draw(19)
    let model = try WeightModels.model(
      """
      g (float[30, 64] t, int64[5] i, float[64, 64] v, float[48, 64] w, float[48] b) => (float[5, 48] y) {
        e = Gather <axis = 0> (t, i) a = MatMul (e, v) y = Gemm <transB = 1> (a, w, b)
      }
      """,
      [
        "t": .of(draw.normals(30 * 64), .float, shape: [30, 64]),
        "v": .of(draw.normals(64 * 64), .float, shape: [64, 64]),
        "w": .of(draw.normals(48 * 64), .float, shape: [48, 64]), "b": .of(draw.normals(48), .float),
      ])
    let ids = try Tensor.ints([0, 29, 3, 3, 7])
    let expected = try WeightModels.run(model, [ids])
    let format = try WeightFormat(.uint8)
    for algorithm in [WeightAlgorithm.roundToNearest, .awqGPTQ] {
      let options = WeightModels.options(format) { ($0.embeddingFormat, $0.algorithm) = (format, algorithm) }
      let observers = try WeightOnlyQuantizer(options).observers(for: model.graph)
      for observer in observers.values.joined() {
        try observer.observe(.of(draw.normals(99 * 64), .float, shape: [99, 64]))
      }
      for target in [OptimizationOptions.Target.onnx, .ort] {
        let result = try WeightModels.quantize(
          model, options, statistics: WeightOnlyQuantizer.statistics(observers), target: target)
        #expect(result.report.nearMisses.isEmpty)
        // GPTQ rounds for the inputs that were observed, here others than those that come.
        let error = WeightModels.relativeError(expected, try WeightModels.run(result.model, [ids]))
        #expect(error < (algorithm == .roundToNearest ? 1e-4 : 5e-4))
        if target == .ort { #expect(!WeightModels.operators(result.model).contains("DequantizeLinear")) }
      }
    }
  }

  @Test func aWeightIsTheSameHoweverItIsStored() throws {
    var draw = Draw(6)
    let values = draw.normals(64 * 20)
    let stored = try Tensor.of(values, .float, shape: [20, 64])
    let turned = try Tensor.of(transposed(values, 64), .float, shape: [64, 20])
    let deferred = try WeightColumns.of([stored])
    let header = "g (float[2, 64] x, float"
    let models = [
      try WeightModels.product(turned, rows: 2), try WeightModels.product(deferred, rows: 2),
      try WeightModels.model(
        header + "[20, 64] w) => (float[2, 20] y) { t = Transpose <perm = [1, 0]> (w) y = MatMul (x, t) }",
        ["w": stored]),
      try WeightModels.model(
        header + "[20, 64] w) => (float[2, 20] y) { y = Gemm <transB = 1> (x, w) }", ["w": stored]),
      try WeightModels.model(header + "[64, 20] w) => (float[2, 20] y) { y = Gemm (x, w) }", ["w": turned]),
    ]
    let x = try Tensor.of(draw.normals(2 * 64), .float, shape: [2, 64])
    let options = WeightModels.options(try WeightFormat(.uint4))
    let results = try models.map { try WeightModels.run(try WeightModels.quantize($0, options).model, [x]) }
    for (model, result) in zip(models, results) {
      #expect(WeightModels.relativeError(results[0], result) < 1e-10)
      let kept = WeightModels.operators(try WeightModels.quantize(model, options).model)
      #expect(kept.count == 2 && kept.contains("DequantizeLinear"))
    }
  }

  @Test func twoProductsOfOneWeightShareIt() throws {
    var draw = Draw(7)
    let model = try WeightModels.model(
      "g (float[2, 64] x, float[64, 64] w) => (float[2, 64] y) { a = MatMul (x, w) y = MatMul (a, w) }",
      ["w": try .of(draw.normals(64 * 64), .float, shape: [64, 64])])
    let result = try WeightModels.quantize(model, WeightModels.options(try WeightFormat(.int4))).model
    #expect(WeightModels.operators(result).filter { $0 == "DequantizeLinear" }.count == 1)
  }

  @Test(arguments: [WeightFormat.Encoding.int8, .uint8, .int4, .uint4, .nf4, .float8e4m3fn])
  func rowsOfATableAreGathered(_ encoding: WeightFormat.Encoding) throws {
    var draw = Draw(8)
    let table = try Tensor.of(draw.normals(30 * 64), .float, shape: [30, 64])
    let model = try WeightModels.model(
      "g (float[30, 64] t, int64[2, 3] i) => (float[2, 3, 64] y) { y = Gather <axis = 0> (t, i) }", ["t": table])
    let places = try Tensor.ints([0, 29, 7, -1, 3, 3], shape: [2, 3])
    let expected = try WeightModels.run(model, [places])
    for size in [32, nil] {
      let format = try WeightFormat(encoding, groupSize: size)
      let options = WeightModels.options(format) { $0.embeddingFormat = format }
      for target in [OptimizationOptions.Target.onnx, .ort] {
        let result = try WeightModels.quantize(model, options, target: target).model
        let error = WeightModels.relativeError(expected, try WeightModels.run(result, [places]))
        #expect(error < 0.03 && error > 0)
        let names = WeightModels.operators(result)
        if encoding.codeType.bitWidth == 8, encoding.isInteger, target == .onnx {
          // Rows first, then numbers.
          #expect(names.last == "DequantizeLinear" && names.contains("Gather"))
        }
        if target == .ort, size != nil, encoding.isInteger {
          #expect(names == ["com.microsoft.GatherBlockQuantized"])
        }
      }
    }
  }

  @Test func numbersOnTheGridStayAsTheyAre() throws {
    for encoding in [WeightFormat.Encoding.int8, .uint8, .int4, .uint4, .int2, .uint2] {
      // All codes, lowest and highest among them, times 1/4: the range is met exactly.
      let count = 1 << encoding.codeType.bitWidth
      let values = (0..<512).map { Float($0 % count - count / 2) * 0.25 }
      let matrix = WeightMatrix(type: .float, depth: 256, values: values)
      let format = try WeightFormat(encoding, groupSize: 256, scheme: .affine)
      #expect(try RoundToNearest.quantize(matrix, format, searches: false).dequantized() == values)
    }
  }

  @Test func halfPrecisionWeightsKeepTheirType() throws {
    var draw = Draw(9)
    for type in [DataType.float16, .bfloat16] {
      let weight = try Tensor.of(draw.normals(64 * 8), type, shape: [64, 8])
      let result = try WeightModels.quantize(
        WeightModels.product(weight), WeightModels.options(try WeightFormat(.int8))
      ).model
      let x = try Tensor.of(draw.normals(3 * 64), type, shape: [3, 64])
      let error = WeightModels.relativeError(
        try WeightModels.run(WeightModels.product(weight), [x]), try WeightModels.run(result, [x]))
      #expect(error < 1e-3)
    }
  }

  @Test func scalesInEightBitsAreWhatTheWeightIsRoundedWith() throws {
    var draw = Draw(10)
    let weight = try Tensor.of(draw.normals(96 * 40), .float, shape: [96, 40])
    let x = try Tensor.of(draw.normals(3 * 96), .float, shape: [3, 96])
    let format = try WeightFormat(.nf4, groupSize: 32, quantizesScales: true)
    let result = try WeightModels.quantize(WeightModels.product(weight), WeightModels.options(format)).model
    let rounded = try RoundToNearest.quantize(.of(weight, isTransposed: true), format, searches: false)
    let matrix = try Tensor.of(transposed(rounded.dequantized(), 96), .float, shape: [96, 40])
    let expected = try WeightModels.run(WeightModels.product(matrix), [x])
    #expect(WeightModels.relativeError(expected, try WeightModels.run(result, [x])) < 1e-10)
    #expect(WeightModels.operators(result).contains("DequantizeLinear"))
    let plain = try RoundToNearest.quantize(
      .of(weight, isTransposed: true), try WeightFormat(.nf4), searches: false)
    #expect(rounded.byteCount < plain.byteCount)
    #expect(WeightModels.relativeError(plain.dequantized(), rounded.dequantized()) < 1e-3)
  }

  @Test func whatStaysFloatSaysWhy() throws {
    var draw = Draw(11)
    let weight = try Tensor.of(draw.normals(64 * 8), .float, shape: [64, 8])
    func reasons(
      _ model: Model, _ opset: Int?, _ edit: (inout WeightOnlyOptions) -> Void = { _ in }
    ) throws -> [String] {
      let options = WeightModels.options(try WeightFormat(.int4), edit)
      let (result, report) = try WeightModels.quantize(model, options, opset: opset)
      #expect(WeightModels.operators(result) == WeightModels.operators(model))
      return report.nearMisses.map(\.reason)
    }
    var older = try WeightModels.product(weight)
    older.opsets = ["": 17]
    #expect(try reasons(older, 17) == ["int4, blocks of 32, symmetric is written from opset 21 on"])
    let model = try WeightModels.product(weight)
    #expect(
      try reasons(model, 25) { $0.minimumElements = 1000 } == ["the weight has 512 numbers, fewer than 1000"])
    let node = model.graph.nodes[0]
    #expect(try reasons(model, 25) { $0.overrides = [node: .keep] } == [])
    let left = try WeightModels.model(
      "g (float[8, 64] w, float[64, 2] x) => (float[8, 2] y) { y = MatMul (w, x) }",
      ["w": try weight.reshaped([8, 64])])
    #expect(try reasons(left, 25) == ["the weight is the left operand"])
    let infinite = try WeightModels.product(.of([Float](repeating: .infinity, count: 64), .float, shape: [32, 2]))
    #expect(try reasons(infinite, 25) == ["the weight holds numbers that are not finite"])
  }

  @Test func overridesChooseTheFormatOfANode() throws {
    var draw = Draw(12)
    let model = try WeightModels.model(
      """
      g (float[2, 64] x, float[64, 64] v, float[64, 64] w) => (float[2, 64] y) { a = MatMul (x, v) y = MatMul (a, w) }
      """,
      [
        "v": try .of(draw.normals(64 * 64), .float, shape: [64, 64]),
        "w": try .of(draw.normals(64 * 64), .float, shape: [64, 64]),
      ])
    let journal = WeightOnlyJournal()
    let last = try #require(model.graph.nodes.last)
    let wide = try WeightFormat(.int8, groupSize: nil)
    let options = try WeightModels.options(WeightFormat(.int4)) { $0.overrides = [last: .format(wide)] }
    _ = try WeightModels.quantize(model, options, journal: journal)
    #expect(journal.weights.map(\.format.text) == ["int4, blocks of 32, symmetric", "int8, per channel, symmetric"])
    #expect(journal.weights[1].signalToNoise > journal.weights[0].signalToNoise + 15)
  }

  @Test func formatsThatCannotBeAreRefused() throws {
    #expect(throws: CameoError.self) { try WeightFormat(.int4, groupSize: 24) }
    #expect(throws: CameoError.self) { try WeightFormat(.nf4, scheme: .affine) }
    #expect(throws: CameoError.self) { try WeightFormat(.int8, quantizesScales: true) }
    var options = WeightOnlyOptions(try WeightFormat(.int4))
    options.algorithm = .hqq
    #expect(throws: CameoError.self) { try WeightOnlyQuantizer(options) }
  }
}
