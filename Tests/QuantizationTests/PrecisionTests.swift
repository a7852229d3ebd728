import Cameo
import GraphIR
import Operators
import PassKit
import Quantization
import Tensors
import Testing

@Suite struct PrecisionTests {
  private static func convert(
    _ model: Model, _ type: DataType = .float16, opset: Int? = nil, journal: FloatConversionJournal? = nil,
    _ edit: (inout FloatConversionOptions) -> Void = { _ in }
  ) throws -> (model: Model, report: OptimizationReport) {
    var options = try FloatConversionOptions(type)
    edit(&options)
    var settings = OptimizationOptions()
    settings.maximumOpset = opset
    let stages = [PassManager.Stage([FloatConversion(options, journal: journal)])]
    let result = try PassManager(stages: stages, options: settings).run(model)
    if let failure = result.report.failures.first { throw CameoError(.invariant, failure) }
    try result.model.graph.verify()
    return result
  }

  private static func constants(_ shapes: [String: [Int]], seed: UInt64 = 1) throws -> [String: Tensor] {
    var draw = Draw(seed)
    var result: [String: Tensor] = [:]
    for (name, shape) in shapes.sorted(by: { $0.key < $1.key }) {
      result[name] = try .of(draw.normals(shape.reduce(1, *)).map { $0 * 0.3 }, .float, shape: shape)
    }
    return result
  }

  /// The element type that each node of an operator computes in.
  private static func types(_ model: Model, _ type: String) throws -> [DataType?] {
    let inference = ShapeInference(model.graph)
    try inference.run()
    return model.graph.allNodes.filter { model.graph[$0].is(type) }.map { id in
      model.graph[id].output(0).flatMap { inference[$0].dataType }
    }
  }

  private static func casts(_ model: Model) -> Int { WeightModels.operators(model).filter { $0 == "Cast" }.count }

  private static let chain = """
    g (float[4, 32] x, float[32, 48] v, float[48] b, float[48, 16] w) => (float[4, 16] y) {
      a = MatMul (x, v) c = Add (a, b) d = Relu (c) y = MatMul (d, w)
    }
    """
  private static let chainShapes = ["v": [32, 48], "b": [48], "w": [48, 16]]

  @Test(arguments: [DataType.float16, .bfloat16])
  func aChainComputesInTheTypeBetweenTwoCasts(_ type: DataType) throws {
    let model = try WeightModels.model(Self.chain, Self.constants(Self.chainShapes))
    let journal = FloatConversionJournal()
    let (result, report) = try Self.convert(model, type, journal: journal)
    #expect(WeightModels.operators(result).sorted() == ["Add", "Cast", "Cast", "MatMul", "MatMul", "Relu"])
    #expect(try Self.types(result, "MatMul") == [type, type])
    #expect(journal.convertedNodes == 4 && report.nearMisses.isEmpty)
    #expect(result.graph.constantBytes * 2 == model.graph.constantBytes)
    var draw = Draw(2)
    let x = try Tensor.of(draw.normals(4 * 32), .float, shape: [4, 32])
    let error = WeightModels.relativeError(try WeightModels.run(model, [x]), try WeightModels.run(result, [x]))
    #expect(error < (type == .float16 ? 1e-5 : 1e-3) && error > 0)
    let again = try Self.convert(result, type)
    #expect(again.report.passes.reduce(0) { $0 + $1.applied } == 0)
  }

  @Test func inputsAndOutputsTakeTheTypeOnRequest() throws {
    let model = try WeightModels.model(Self.chain, Self.constants(Self.chainShapes))
    let (result, _) = try Self.convert(model) { $0.keepsPorts = false }
    #expect(result.graph.inputs.map { result.graph[$0].type?.dataType } == [.float16])
    #expect(result.graph.outputs.map { result.graph[$0].type?.dataType } == [.float16])
    var draw = Draw(3)
    let x = try Tensor.of(draw.normals(4 * 32), .float16, shape: [4, 32])
    let values = try GraphEvaluator(result.graph).run([.tensor(x)])
    let found = try #require(values.first?.tensor)
    #expect(found.dataType == .float16)
    let expected = try WeightModels.run(model, [x.converted(to: .float)])
    #expect(WeightModels.relativeError(expected, try found.elements(as: Float.self)) < 1e-5)
  }

  @Test func sensitiveOperatorsStayAndCastsStandOnlyAroundThem() throws {
    let text = """
      g (float[4, 32] x, float[32, 48] v, float[48, 16] w) => (float[4, 16] y) {
        a = MatMul (x, v) s = Softmax (a) t = Exp (s) y = MatMul (t, w)
      }
      """
    let model = try WeightModels.model(text, Self.constants(["v": [32, 48], "w": [48, 16]]))
    let journal = FloatConversionJournal()
    let (result, report) = try Self.convert(model, journal: journal)
    #expect(try Self.types(result, "Softmax") == [.float])
    // In, in front of Softmax, behind Exp, out.
    #expect(Self.casts(result) == 4)
    #expect(report.nearMisses.map(\.reason).sorted() == ["Exp stays in float32", "Softmax stays in float32"])
    #expect(journal.keptNodes.count == 2)
    let all = try Self.convert(model) { $0.keptOperators = [] }.model
    #expect(Self.casts(all) == 2 && WeightModels.operators(all).count == 6)
  }

  @Test func theCallerKeepsNodesAndOperators() throws {
    let model = try WeightModels.model(Self.chain, Self.constants(Self.chainShapes))
    let first = try #require(model.graph.nodes.first)
    let (result, report) = try Self.convert(model) { $0.keptNodes = [first] }
    #expect(try Self.types(result, "MatMul") == [.float, .float16])
    #expect(report.nearMisses.map(\.reason) == ["kept in float32 as asked"])
    let none = try Self.convert(model) { $0.keptOperators.insert("MatMul") }
    #expect(try Self.types(none.model, "MatMul") == [.float, .float])
    #expect(Self.casts(none.model) == 0)
  }

  @Test func aMaskBeyondTheRangeStaysUpToTheSoftmax() throws {
    let text = """
      g (float[2, 4, 32] x, float[2, 1, 4] m, float[32, 32] v, float[32, 32] w, float[1] lowest, float[1] one)
        => (float[2, 4, 4] y, float[2, 4, 4] s) {
        q = MatMul (x, v) k = MatMul (x, w) t = Transpose <perm = [0, 2, 1]> (k) s = MatMul (q, t)
        n = Sub (one, m) p = Mul (n, lowest) u = Add (s, p) y = Softmax <axis = -1> (u)
      }
      """
    var constants = try Self.constants(["v": [32, 32], "w": [32, 32]])
    constants["lowest"] = try .of([-3.4028235e38 as Float], .float)
    constants["one"] = try .of([1 as Float], .float)
    let model = try WeightModels.model(text, constants)
    let journal = FloatConversionJournal()
    let (result, report) = try Self.convert(model, journal: journal)
    #expect(try Self.types(result, "MatMul") == [.float16, .float16, .float16])
    #expect(try Self.types(result, "Add") == [.float])
    #expect(report.nearMisses.map(\.reason).contains("it reads numbers that float16 cannot hold"))
    #expect(journal.constants.map(\.overflowing) == [1] && journal.constants.map(\.isConverted) == [false])
    var draw = Draw(4)
    let x = try Tensor.of(draw.normals(2 * 4 * 32), .float, shape: [2, 4, 32])
    // The second sample's rows may look nowhere.
    let m = try Tensor.of([1, 1, 0, 0, 0, 0, 0, 0] as [Float], .float, shape: [2, 1, 4])
    let expected = try WeightModels.run(model, [x, m])
    let found = try WeightModels.run(result, [x, m])
    #expect(found.allSatisfy { $0.isFinite })
    #expect(WeightModels.relativeError(expected, found) < 1e-5)
    // bfloat16 has float32's range.
    #expect(try Self.convert(model, .bfloat16).report.nearMisses.map(\.reason) == ["Softmax stays in float32"])
  }

  @Test func anOutputOfAKeptNodeIsNotNarrowedOnItsWay() throws {
    let text = """
      g (float[4, 32] x, float[32, 48] v, float[48, 16] w) => (float[4, 48] a, float[4, 16] y) {
        a = MatMul (x, v) y = MatMul (a, w)
      }
      """
    let model = try WeightModels.model(text, Self.constants(["v": [32, 48], "w": [48, 16]]))
    let journal = FloatConversionJournal()
    let (result, report) = try Self.convert(model, .bfloat16, journal: journal) {
      $0.keptNodes = [model.graph.nodes[0]]
      $0.reasons = [model.graph.nodes[0]: "it is wanted"]
    }
    #expect(report.nearMisses.map(\.reason) == ["it is wanted"])
    #expect(journal.converted.map(\.id) == [model.graph.nodes[1]] && journal.converted.first?.follows == false)
    var draw = Draw(9)
    let x = try Tensor.of(draw.normals(4 * 32), .float, shape: [4, 32])
    // The first output.
    #expect(try WeightModels.run(model, [x]) == WeightModels.run(result, [x]))
  }

  @Test func aKeptNodeHandsNumbersBeyondTheRangeOn() throws {
    let text = """
      g (float[2, 4] x, float[4, 4] v, float[1] lowest) => (float[2, 4] y) {
        p = Mul (x, lowest) s = MatMul (x, v) u = Add (s, p) y = Softmax <axis = -1> (u)
      }
      """
    var constants = try Self.constants(["v": [4, 4]])
    constants["lowest"] = try .of([-3.4028235e38 as Float], .float)
    let model = try WeightModels.model(text, constants)
    let (result, _) = try Self.convert(model) { $0.keptNodes = [model.graph.nodes[0]] }
    #expect(try Self.types(result, "Add") == [.float] && Self.types(result, "MatMul") == [.float16])
  }

  @Test func clampedConstantsAreToldAndFinite() throws {
    let text = "g (float[2, 2] x, float[2, 2] w, float[2] b) => (float[2, 2] y) { a = MatMul (x, w) y = Add (a, b) }"
    var constants = try Self.constants(["w": [2, 2]])
    constants["b"] = try .of([1e6, -Float.infinity] as [Float], .float)
    let model = try WeightModels.model(text, constants)
    let journal = FloatConversionJournal()
    let (result, _) = try Self.convert(model, journal: journal) { $0.overflow = .clamp }
    #expect(try Self.types(result, "Add") == [.float16])
    #expect(journal.constants.map(\.overflowing) == [1] && journal.constants.map(\.isConverted) == [true])
    let found = try WeightModels.run(result, [.of([0, 0, 0, 0] as [Float], .float, shape: [2, 2])])
    #expect(found[0] == 65504 && found[1] == -.infinity)
    #expect(try Self.types(Self.convert(model).model, "Add") == [.float])
  }

  @Test func aConstantThatWouldVanishKeepsItsNode() throws {
    let text = """
      g (float[4, 32] x, float[32, 8] w, float[1] e) => (float[4, 8] y) { a = MatMul (x, w) b = Abs (a) y = Add (b, e) }
      """
    var constants = try Self.constants(["w": [32, 8]])
    constants["e"] = try .of([1e-12 as Float], .float)
    let model = try WeightModels.model(text, constants)
    let (result, report) = try Self.convert(model)
    #expect(try Self.types(result, "Add") == [.float])
    #expect(report.nearMisses.map(\.reason) == ["numbers of a constant would become 0 in float16"])
  }

  @Test func slotsThatMustBeFloat32StaySo() throws {
    let text = """
      g (float[1, 4, 8, 8] x, float[4, 4, 3, 3] w, float[4] r, float[1] c) => (float[1, 4, 12, 12] y) {
        a = Conv (x, w) b = Resize <mode = "linear"> (a, , r) y = Add (b, c)
      }
      """
    var constants = try Self.constants(["w": [4, 4, 3, 3], "c": [1]])
    constants["r"] = try .of([1, 1, 2, 2] as [Float], .float)
    let model = try WeightModels.model(text, constants)
    let (result, _) = try Self.convert(model)
    #expect(try Self.types(result, "Resize") == [.float16])
    var draw = Draw(5)
    let x = try Tensor.of(draw.normals(256), .float, shape: [1, 4, 8, 8])
    let error = WeightModels.relativeError(try WeightModels.run(model, [x]), try WeightModels.run(result, [x]))
    #expect(error < 1e-5)
    // bfloat16 convolutions came with opset 22.
    let older = try Self.convert(model, .bfloat16, opset: 21)
    #expect(try Self.types(older.model, "Conv") == [.float])
    #expect(try Self.types(Self.convert(model, .bfloat16, opset: 22).model, "Conv") == [.bfloat16])
  }

  @Test func bodiesAreConvertedToo() throws {
    let text = """
      g (bool c, float[4, 32] x, float[32, 32] v, float[32, 32] w) => (float[4, 32] y) {
        a = MatMul (x, v)
        b = If (c) <
          then_branch = t () => (float[4, 32] p) { o = MatMul (a, w) p = Relu (o) },
          else_branch = e () => (float[4, 32] q) { q = Neg (a) }
        >
        y = MatMul (b, v)
      }
      """
    let model = try WeightModels.model(text, Self.constants(["v": [32, 32], "w": [32, 32]]))
    let (result, _) = try Self.convert(model)
    #expect(try Self.types(result, "MatMul") == [.float16, .float16, .float16])
    #expect(try Self.types(result, "Relu") == [.float16])
    var draw = Draw(6)
    let x = try Tensor.of(draw.normals(4 * 32), .float, shape: [4, 32])
    for condition in [true, false] {
      let inputs = [try Tensor.of([condition], .bool, shape: []), x]
      let error = WeightModels.relativeError(try WeightModels.run(model, inputs), try WeightModels.run(result, inputs))
      #expect(error < 1e-5)
    }
  }

  @Test func transposedWeightsAreNotWrittenOutOnTheWay() throws {
    var draw = Draw(7)
    let stored = try Tensor.of(draw.normals(128 * 160), .float, shape: [128, 160])
    let weight = try #require(try WeightColumns.transposed(stored))
    let (result, _) = try Self.convert(WeightModels.product(weight))
    let constants = result.graph.allValues.compactMap { result.graph[$0].constantTensor }
    let narrow = try #require(constants.first { $0.dataType == .float16 })
    #expect(narrow.deferredRows?.first?.shape == [128, 160])
    let expected = try stored.converted(to: .float16).elements(as: Float.self).last
    let found = try narrow.elements(as: Float.self).last
    #expect(found == expected)
  }

  @Test func otherTypesAreRefused() { #expect(throws: CameoError.self) { try FloatConversionOptions(.float8e4m3fn) } }
}
