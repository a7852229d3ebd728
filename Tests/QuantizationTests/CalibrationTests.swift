import GraphIR
import InferenceRuntime
import ONNXFormat
import Operators
import Quantization
import Tensors
import TestSupport
import Testing

@Suite struct CalibrationTests {
  private static let text = """
    g (float[N, 2] x) => (float[N, 3] y) <float[2, 3] w = {1, 2, 3, -4, 5, 6}> {
      h = Relu (x)
      y = MatMul (h, w)
    }
    """

  private static func model(_ text: String = text) throws -> Model { Model(graph: try ONNXText.parseGraph(text)) }

  private static func value(_ name: String, _ model: Model) throws -> ValueID {
    try #require(model.graph.allValues.first { model.graph[$0].name == name })
  }

  private static func floats(_ values: [Float], _ shape: [Int]) throws -> Tensor {
    try .of(values, .float, shape: shape)
  }

  @Test func rangesAreThoseOfAllSamples() throws {
    let model = try Self.model()
    let ranges = ["x", "h", "y", "w"].map { _ in RangeObserver() }
    let moving = RangeObserver(.movingAverage(momentum: 0.25))
    var observers: [ValueID: [any ValueObserver]] = [:]
    for (name, range) in zip(["x", "h", "y", "w"], ranges) { observers[try Self.value(name, model)] = [range] }
    observers[try Self.value("x", model)]?.append(moving)
    let set = CalibrationSet([
      ["x": try Self.floats([1, -2], [1, 2])], ["x": try Self.floats([-8, 1, 0, 4], [2, 2])],
      ["x": try Self.floats([99, 99], [1, 2])],
    ])
    var steps: [Int] = []
    let calibrator = Calibrator(model, providers: [ReferenceProvider()])
    #expect(try calibrator.run(observers, over: set, limit: 2) { done, all in steps += [done, all ?? -1] } == 2)
    #expect(steps == [1, 2, 2, 2])
    #expect(ranges.map(\.range) == [ValueRange(-8, 4), ValueRange(0, 4), ValueRange(-16, 24), ValueRange(-4, 6)])
    // -2 + (-8 + 2) / 4, 1 + (4 - 1) / 4.
    #expect(moving.range == ValueRange(-3.5, 1.75))
    #expect(calibrator.unseen.isEmpty)
  }

  @Test func errorsNameSampleAndValue() throws {
    let model = try Self.model()
    let set = CalibrationSet([
      ["x": try Self.floats([1, 2], [1, 2])], ["x": try Self.floats([.infinity, 3, .nan, 1], [2, 2])],
    ])
    let error = #expect(throws: CameoError.self) {
      try Calibrator(model, providers: []).run([Self.value("h", model): [RangeObserver()]], over: set)
    }
    #expect(
      error.map { "\($0)" }
        == "sample 1: node with output h (Relu): value h: 2 of 4 numbers are not finite, the first is inf")
    let none = #expect(throws: CameoError.self) {
      try Calibrator(model, providers: []).run([:], over: CalibrationSet([]))
    }
    #expect(none?.reason == "the calibration set has no sample")
    let missing = #expect(throws: CameoError.self) {
      try Calibrator(model, providers: []).run([:], over: CalibrationSet([["z": try Self.floats([1], [1])]]))
    }
    #expect(missing.map { "\($0)" } == "sample 0: the model has no input z; it has x")
  }

  // MARK: Sets

  private static func samples(_ path: String, _ model: Model) throws -> [CalibrationSample] {
    var result: [CalibrationSample] = []
    try CalibrationSet(path: path, model: model).forEach { result.append($0) }
    return result
  }

  private static func numbers(_ sample: CalibrationSample, _ name: String = "x") throws -> [Float]? {
    try sample.inputs[name]?.tensor?.elements(as: Float.self)
  }

  @Test func foldersOfArchivesAndArrays() throws {
    let model = try Self.model()
    try withFolder { folder in
      try NumPyFile.writeArchive([("x", Self.floats([1, 2], [1, 2]))], to: folder + "/b.npz")
      try NumPyFile.writeArray(Self.floats([3, 4, 5, 6], [2, 2]), to: folder + "/a.npy")
      try NumPyFile.writeArchive(
        [("x", Self.floats([7, 8, 9, 10], [2, 1, 2])), ("labels", .ints([3, 4]))], to: folder + "/c.npz")
      let set = try CalibrationSet(path: folder, model: model)
      #expect(set.count == nil)
      let samples = try Self.samples(folder, model)
      #expect(try samples.map { try Self.numbers($0) } == [[3, 4], [5, 6], [1, 2], [7, 8], [9, 10]])
      #expect(samples.map { $0.inputs["x"]?.tensor?.shape } == [[1, 2], [1, 2], [1, 2], [1, 2], [1, 2]])
      #expect(try samples.map { try $0.others["labels"]?.ints() } == [nil, nil, nil, [3], [4]])
      #expect(samples.last?.name == "file \(folder)/c.npz, sample 1")
      #expect(try set.forEach(limit: 3) { _ in } == 3)
    }
  }

  @Test func testDataFolders() throws {
    let model = try Self.model("g (float[2] x, int64[1] n) => (float[2] y) { y = Identity (x) }")
    try withFolder { folder in
      for index in [0, 1, 10] {
        let inner = folder + "/test_data_set_\(index)"
        try Folder.make(inner)
        try TensorFile.writeProto(Self.floats([Float(index), 1], [2]), to: inner + "/input_0.pb")
        try TensorFile.writeProto(.ints([index]), to: inner + "/input_1.pb")
      }
      let samples = try Self.samples(folder, model)
      #expect(try samples.map { try Self.numbers($0) } == [[0, 1], [1, 1], [10, 1]])
      #expect(try samples.map { try $0.inputs["n"]?.tensor?.ints() } == [[0], [1], [10]])
      #expect(try Self.samples(folder + "/test_data_set_10", model).count == 1)
      #expect(try CalibrationSet(path: folder, model: model).count == 3)
    }
  }

  @Test func stackedArraysAreToldApartByRankExtentAndBatch() throws {
    func shapes(_ declared: String, _ arrays: [(String, [Int])], _ stacking: CalibrationSet.Stacking = .automatic)
      throws
      -> [[[Int]]]
    {
      let model = try Self.model("g (\(declared)) => (float[1] y) { y = Identity (x) }")
      var result: [[[Int]]] = []
      try withFolder { folder in
        let path = folder + "/s.npz"
        try NumPyFile.writeArchive(arrays.map { ($0.0, try Tensor.makeRaw(.float, $0.1) { _ in }) }, to: path)
        try CalibrationSet(path: path, model: model, stacking: stacking).forEach { sample in
          result.append(arrays.map { sample.inputs[$0.0]?.tensor?.shape ?? [] })
        }
      }
      return result
    }
    // One more axis.
    #expect(try shapes("float[1, 2] x", [("x", [3, 1, 2])]) == [[[1, 2]], [[1, 2]], [[1, 2]]])
    // Multiples of a fixed extent; what all share stays whole.
    #expect(
      try shapes("float[2, 5] x, float[4] z", [("x", [4, 5]), ("z", [4])]) == [[[2, 5], [4]], [[2, 5], [4]]])
    // A batch: the same open first dimension everywhere.
    #expect(
      try shapes("float[N, 5] x, float[N, M] z", [("x", [2, 5]), ("z", [2, 3])]) == [
        [[1, 5], [1, 3]], [[1, 5], [1, 3]],
      ])
    // No batch: the dimension is on another axis, too; a vector of open length; another extent.
    #expect(try shapes("float[N, 5] x, float[2, N] z", [("x", [2, 5]), ("z", [2, 2])]) == [[[2, 5], [2, 2]]])
    #expect(try shapes("float[N] x", [("x", [7])]) == [[[7]]])
    #expect(try shapes("float[N, 5] x, float[M, 5] z", [("x", [2, 5]), ("z", [2, 5])]) == [[[2, 5], [2, 5]]])
    #expect(try shapes("float[N, 5] x", [("x", [2, 5])], .none) == [[[2, 5]]])
    let error = #expect(throws: CameoError.self) {
      try shapes("float[1] x, float[1] z", [("x", [2, 1]), ("z", [3, 1])])
    }
    #expect(error?.reason == "array x has 2 samples, array z has 3")
  }

  @Test func foldersWithoutSamplesAreRefused() throws {
    let model = try Self.model()
    try withFolder { folder in
      let error = #expect(throws: CameoError.self) { try CalibrationSet(path: folder, model: model) }
      #expect(error?.reason == "no samples: it has no .npz, no test_data_set_N, no .npy")
      try NumPyFile.writeArchive([("z", Self.floats([1], [1]))], to: folder + "/a.npz")
      let missing = #expect(throws: CameoError.self) { try CalibrationSet(path: folder, model: model) }
      #expect(missing.map { "\($0)" } == "file \(folder)/a.npz: there is no array for input x; there are z")
    }
  }

  // MARK: Parameters

  @Test(arguments: [DataType.uint8, .int8, .uint16, .int16, .uint4, .int4], [true, false])
  func zeroIsExactAndTheRangeIsCovered(type: DataType, isSymmetric: Bool) throws {
    let scheme = try QuantizationScheme(type, isSymmetric: isSymmetric)
    for range in [
      ValueRange(-1, 3), ValueRange(2, 5), ValueRange(-7, -6), ValueRange(0, 0), ValueRange(-1e-3, 1e3),
      ValueRange(-.greatestFiniteMagnitude, .greatestFiniteMagnitude), ValueRange(0, .leastNonzeroMagnitude),
    ] {
      let parameters = try QuantizationParameters(range, scheme)
      #expect(parameters.scale.isNormal && parameters.scale > 0)
      #expect(parameters.codes.contains(parameters.zeroPoint))
      #expect(parameters.rounded(0) == 0)
      #expect(parameters.range.minimum <= min(range.minimum, 0) + parameters.scale * 0.51)
      #expect(parameters.range.maximum >= max(range.maximum, 0) - parameters.scale * 0.51)
      if isSymmetric {
        #expect(
          parameters.codes.upperBound - parameters.zeroPoint == parameters.zeroPoint - parameters.codes.lowerBound)
      }
    }
  }

  @Test func parametersAsTheStandardHasThem() throws {
    let affine = try QuantizationParameters(ValueRange(-1, 3), QuantizationScheme(.uint8, isSymmetric: false))
    #expect(affine.scale == Float(4.0 / 255) && affine.zeroPoint == 64)
    #expect([-2, -1, 0, 1, 3, 9].map { affine.code($0) } == [0, 0, 64, 128, 255, 255])
    let symmetric = try QuantizationParameters(ValueRange(-1, 2.54), QuantizationScheme(.int8, isSymmetric: true))
    #expect(symmetric.scale == 0.02 && symmetric.zeroPoint == 0)
    #expect([-9, -1, 0.01, 0.03, 2.54].map { symmetric.code($0) } == [-127, -50, 0, 2, 127])
    let half = try QuantizationParameters(ValueRange(0, 1), QuantizationScheme(.uint8, isSymmetric: true))
    #expect(half.zeroPoint == 128 && half.code(1) == 255 && half.code(-9) == 1)
    #expect(throws: CameoError.self) { try QuantizationScheme(.int32, isSymmetric: true) }
    #expect(throws: CameoError.self) {
      try QuantizationParameters(ValueRange(.nan, 1), QuantizationScheme(.int8, isSymmetric: true))
    }
  }
}
