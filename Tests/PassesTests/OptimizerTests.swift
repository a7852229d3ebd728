import Cameo
import Foundation
import GraphIR
import ONNXFormat
import Operators
import PassKit
import Passes
import Tensors
import TestSupport
import Testing

/// Wrong passes are found out by numbers and named.
@Suite struct OptimizerTests {
  static let wrongRules = """
    rule MulIsAdd level 1 "wrong on purpose" { match { y = Mul(a, b) } rewrite { y = Add(a, b) } }
    rule GeluIsTanh level 1 "wrong on purpose" { match { y = Gelu<approximate = "none">(x) } rewrite { y = Relu(x) } }
    """

  static let model = """
    g (float[N,4] x) => (float[N,4] y) <float[4,4] w = {1,0.5,-1,0.25,0.5,1,0.75,-0.5,-1,0.75,1,0.5,0.25,-0.5,0.5,1}, float r2 = {1.41421354}, float one = {1}, float half = {0.5}>
    { m = MatMul (x, w) s = Mul (m, x) d = Div (s, r2) e = Erf (d) g = Add (e, one) p = Mul (s, g) y = Mul (p, half) }
    """

  @Test(arguments: ["MulIsAdd", "GeluIsTanh"])
  func wrongPassIsNamed(_ name: String) throws {
    let source = try ONNXText.parseModel(Self.model)
    var optimizer = Optimizer()
    optimizer.extraPasses = try RuleFile.parse(Self.wrongRules, file: "wrong.rules").filter { $0.name == name }
    let (result, report) = try optimizer.optimize(source)
    let record = try #require(report.verification)
    #expect(record.culprit == name)
    #expect(record.passed)
    #expect(result.graph.operatorCounts["Gelu"] == 1, "the right passes stay")
  }

  /// `--verify each`: the rule is caught at the change, before any whole run.
  @Test(arguments: ["MulIsAdd", "GeluIsTanh"])
  func wrongRuleIsNamedAtItsChange(_ name: String) throws {
    let source = try ONNXText.parseModel(Self.model)
    var optimizer = Optimizer()
    optimizer.verification?.checksEachChange = true
    optimizer.extraPasses = try RuleFile.parse(Self.wrongRules, file: "wrong.rules").filter { $0.name == name }
    let (result, report) = try optimizer.optimize(source)
    let record = try #require(report.verification)
    #expect(record.culprit == name && record.passed)
    #expect(report.failures.count == 1 && report.failures[0].contains("rule \(name): the value"), "\(report.failures)")
    #expect((record.comparedValues ?? 0) > 0)
    #expect(result.graph.operatorCounts["Gelu"] == 1, "the right passes stay")
  }

  /// What a model that quantizes may differ by for its own rounding does not hide a wrong pass.
  @Test(arguments: [false, true])
  func wrongPassIsNamedWhereTheSourceQuantizes(_ checksEachChange: Bool) throws {
    let source = try ONNXText.parseModel(
      """
      g (float[N,4] x) => (float[N,4] y) <int8[4,4] w = {10,5,-10,25,50,10,75,-50,-10,75,10,50,25,-50,50,10}, float s = {0.01}, uint8 z = {128}, float t = {0.02}, float r = {0.5}>
      { q = QuantizeLinear (x, s, z) d = DequantizeLinear (q, s, z) f = DequantizeLinear (w, t) m = MatMul (d, f) p = QuantizeLinear (m, t, z)
        e = DequantizeLinear (p, t, z) y = Mul (e, r) }
      """)
    var optimizer = Optimizer()
    optimizer.options.level = 3
    optimizer.verification?.checksEachChange = checksEachChange
    let (plain, right) = try optimizer.optimize(source)
    #expect(right.verification?.passed == true && right.failures.isEmpty, "\(right.failures)")
    #expect(plain.graph.operatorCounts["ai.cameo.IntegerMatMul"] == 1, "\(plain.graph.operatorCounts)")
    optimizer.extraPasses = try RuleFile.parse(Self.wrongRules, file: "wrong.rules").filter { $0.name == "MulIsAdd" }
    let record = try #require(try optimizer.optimize(source).report.verification)
    #expect(record.culprit == "MulIsAdd" && record.passed)
  }

  @Test func eachRightChangeIsCompared() throws {
    var optimizer = Optimizer()
    optimizer.verification?.checksEachChange = true
    let (_, report) = try optimizer.optimize(try ONNXText.parseModel(Self.model))
    #expect(report.failures.isEmpty && report.verification?.culprit == nil)
    #expect(report.verification?.uncheckedChanges == 0 && (report.verification?.comparedValues ?? 0) > 0)
  }

  @Test func differenceFollowsOrigins() throws {
    let source = try ONNXImporter.load(bytes: try ONNXExporter.serialize(try ONNXText.parseModel(Self.model)))
    let (result, _) = try Optimizer().optimize(source)
    let difference = GraphDifference(from: source, to: result)
    #expect(difference.kept == 2, "MatMul and Mul")
    let gelu = try #require(difference.hunks.first { $0.added.first?.label == "Gelu" })
    #expect(gelu.removed.map(\.label) == ["Div", "Erf", "Add", "Mul", "Mul"])
    #expect(difference.kept + difference.removed == source.graph.nodeCount)
    #expect(difference.kept + difference.added == result.graph.nodeCount)
  }

  /// In float64 the graph means what it says: 1e8 + 1 - 1e8 is 1 there, and 0 in float.
  @Test func widenedEvaluationDoesNotRound() throws {
    let graph = try ONNXText.parseGraph(
      """
      g (float[2] x, float16[2] h) => (y, z) <float big = {1e8}>
      { a = Add (x, big) c = Cast <to = 1> (a) y = Sub (c, big) i = Cast <to = 1> (h) q, s, p = DynamicQuantizeLinear (i)
        z = DequantizeLinear (q, s, p) }
      """)
    let inputs: [Value?] = [.tensor(try .of([Float(1), 3], .float)), .tensor(try .of([Float(1), -1], .float16))]
    var options = GraphEvaluator.Options()
    options.widensFloats = true
    let wide = try GraphEvaluator(graph, options: options).run(inputs)
    #expect(wide[0].tensor?.dataType == .double && wide[1].tensor?.dataType == .double)
    #expect(try wide[0].tensor?.elements(as: Double.self) == [1, 3])
    #expect(try GraphEvaluator(graph).run(inputs)[0].tensor?.elements(as: Double.self) == [0, 0])
  }

  @Test func rightPassesPass() throws {
    let (_, report) = try Optimizer().optimize(try ONNXText.parseModel(Self.model))
    #expect(report.verification?.passed == true && report.verification?.culprit == nil && report.failures.isEmpty)
  }

  // MARK: Constants of other kinds

  static let sequences = [
    "s = SequenceConstruct (a, b) y = SequenceAt (s, zero) z = Neg (x)",
    "s = SplitToSequence <axis = 0> (a) y = ConcatFromSequence <axis = 0> (s) z = Neg (x)",
    "s = SequenceConstruct (a, b) n = SequenceLength (s) y = Cast <to = 1> (n) z = SequenceAt (s, zero)",
    "s = SequenceEmpty () t = SequenceInsert (s, a) y = SequenceAt (t, zero) z = Neg (x)",
    "o = Optional (a) y = OptionalGetElement (o) z = Neg (x)",
    "o = Optional (a) h = OptionalHasElement (o) y = Where (h, a, b) z = Neg (x)",
  ]

  /// A file has no place for a constant sequence or optional: passes fold only what comes out of it.
  @Test(arguments: sequences) func constantSequencesCanBeWritten(_ text: String) throws {
    let source = try ONNXText.parseModel(
      "g (float[2] x) => (y, z) <float[2] a = {1, 2}, float[2] b = {3, 4}, int64 zero = {0}> { \(text) }")
    let inputs: [Value?] = [.tensor(try .of([Float(5), 6], .float))]
    let expected = try GraphEvaluator(source.graph).run(inputs)
    for level in 0...3 {
      var options = OptimizationOptions()
      options.level = level
      let model = try Optimizer(options: options, verification: nil).optimize(source).model
      for value in model.graph.allValues where model.graph[value].isConstant {
        #expect(model.graph[value].constantTensor != nil, "level \(level) made a constant that no file can hold")
      }
      let again = try ONNXImporter.load(bytes: ONNXExporter.serialize(model))
      let values = try GraphEvaluator(again.graph).run(inputs)
      #expect(try SeededInputs.difference(expected, values) == 0, "level \(level)")
    }
  }

  // MARK: Zoo

  struct ZooModel: Decodable, Sendable, CustomStringConvertible {
    var name: String
    var path: String
    var bytes: Int
    var description: String { name }
  }

  /// The fetched models up to CAMEO_ZOO_BYTES (default: all); fails where CI has none.
  static let zoo: [ZooModel] = {
    struct List: Decodable { var models: [ZooModel] }
    guard let cache = ProcessInfo.processInfo.environment["CAMEO_CACHE"],
      let data = try? Data(contentsOf: URL(fileURLWithPath: cache + "/zoo/zoo.json")),
      let list = try? JSONDecoder().decode(List.self, from: data)
    else { return [] }
    let limit = ProcessInfo.processInfo.environment["CAMEO_ZOO_BYTES"].flatMap { Int($0) } ?? .max
    return list.models.filter { $0.bytes <= limit }.map { model in
      var model = model
      model.path = cache + "/zoo/" + model.path
      return model
    }.filter { FileManager.default.fileExists(atPath: $0.path) }
  }()

  @Test func zooIsThere() {
    if !Self.zoo.isEmpty { return }
    print("skipped: no zoo under CAMEO_CACHE; fetch it with Tools/zoo")
    #expect(ProcessInfo.processInfo.environment["CI"] != "true", "CI needs the zoo")
  }

  @Test(arguments: zoo)
  func namesDoNotMatterInZoo(_ entry: ZooModel) throws {
    let model = try ONNXImporter.load(path: entry.path)
    var renamed = model
    renamed.graph.renameEverything(seed: 11)
    let a = try Optimizer(verification: nil).optimize(model)
    let b = try Optimizer(verification: nil).optimize(renamed)
    #expect(a.report.failures.isEmpty, "\(a.report.failures)")
    #expect(ONNXText.canonicalText(a.model.graph, types: false) == ONNXText.canonicalText(b.model.graph, types: false))
  }

  @Test(arguments: zoo)
  func wrongPassIsNamedInZoo(_ entry: ZooModel) throws {
    let model = try ONNXImporter.load(path: entry.path)
    var verification = VerificationOptions()
    verification.seeds = 1
    verification.secondsLimit = 1
    var optimizer = Optimizer(verification: verification)
    // One that bites in every model: whatever activation stands there becomes another one.
    optimizer.extraPasses = try RuleFile.parse(
      """
      rule Wrong level 1 "wrong on purpose" { match { y = (Relu|Gelu|HardSwish|Erf|Softmax|Attention)(x, ...) } rewrite { y = Neg(x) } }
      """, file: "wrong.rules")
    let (_, report) = try optimizer.optimize(model)
    guard report.passes.contains(where: { $0.name == "Wrong" && $0.applied > 0 }) || report.verification?.culprit != nil
    else {
      print("\(entry): the wrong rule finds nothing here")
      return
    }
    #expect(report.verification?.culprit == "Wrong", "\(report.verification.map { "\($0)" } ?? "no verification")")
    #expect(report.verification?.passed == true)
  }
}
