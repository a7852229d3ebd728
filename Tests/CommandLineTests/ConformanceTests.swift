import Foundation
import GraphIR
import ONNXFormat
import Tensors
import Testing

@testable import CommandLineTool

/// How `cameo conformance` judges.
@Suite struct ConformanceTests {
  private func tensor(_ text: String) throws -> Value { .tensor(try ONNXText.parseTensor(text)) }

  // Floats narrower than 32 bits stand as their bits.
  @Test(arguments: [
    ("float[2] {1, 2}", "float[2] {1.0009, 2}", true),
    ("float[2] {1, 2}", "float[2] {1.0011, 2}", false),
    ("float {0}", "float {9e-8}", true),
    ("float {0}", "float {2e-7}", false),
    ("bfloat16 {16256}", "bfloat16 {16257}", true),
    ("bfloat16 {16256}", "bfloat16 {16259}", false),
    ("float16 {15360}", "float16 {15361}", true),
    ("float16 {15360}", "float16 {15362}", false),
    ("double {1}", "double {1.0011}", false),
    ("int32 {5000}", "int32 {5004}", true),
    ("int32 {500}", "int32 {501}", false),
    ("uint64 {18446744073709551615}", "uint64 {0}", false),
    ("float8e4m3fn {56}", "float8e4m3fn {57}", false),
    ("uint4[2] {1, 2}", "uint4[2] {1, 3}", false),
    ("bool {1}", "bool {0}", false),
    ("string[1] {\"a\"}", "string[1] {\"b\"}", false),
    ("string[1] {\"a\"}", "string[1] {\"a\"}", true),
    ("float[1] {1}", "float {1}", false),
    ("float {1}", "double {1}", false),
    ("float[0] {}", "float[0] {}", true),
  ]) func tolerances(_ expected: String, _ found: String, _ agrees: Bool) throws {
    let reason = TestTolerance().mismatch(try tensor(expected), try tensor(found))
    #expect((reason == nil) == agrees, "\(reason ?? "no reason")")
  }

  @Test func infinitiesAndNaN() throws {
    func value(_ x: Float) throws -> Value { .tensor(try .scalar(x, .float)) }
    let all: [Float] = [.nan, .infinity, -.infinity, 1, .greatestFiniteMagnitude]
    for a in all {
      for b in all {
        let isSame = a == b || a.isNaN && b.isNaN
        #expect((TestTolerance().mismatch(try value(a), try value(b)) == nil) == isSame, "\(a) \(b)")
      }
    }
  }

  @Test func otherKinds() throws {
    let tolerance = TestTolerance()
    let (one, two) = (try tensor("float {1}"), try tensor("float {2}"))
    #expect(tolerance.mismatch(.sequence([one, two]), .sequence([one, two])) == nil)
    #expect(tolerance.mismatch(.sequence([one, two]), .sequence([one])) != nil)
    #expect(tolerance.mismatch(.sequence([one]), one) != nil)
    #expect(tolerance.mismatch(.optional(one), one) == nil)
    #expect(tolerance.mismatch(.optional(nil), .optional(nil)) == nil)
    #expect(tolerance.mismatch(.optional(one), .optional(nil)) != nil)
    let keys = try ONNXText.parseTensor("string[2] {\"a\", \"b\"}")
    let turned = try ONNXText.parseTensor("string[2] {\"b\", \"a\"}")
    let map = Value.map(MapValue(keys: keys, values: [one, two]))
    #expect(tolerance.mismatch(map, .map(MapValue(keys: turned, values: [two, one]))) == nil)
    #expect(tolerance.mismatch(map, .map(MapValue(keys: turned, values: [one, two]))) != nil)
  }

  @Test(arguments: [
    ("{\"rtol\": 0.5, \"atol\": 1e-2}", 0.5, 1e-2),
    ("{\"x\": [1, {\"rtol\": 3}], \"s\": \"a\\\"b\", \"atol\": 2}", 1e-3, 2),
    ("{}", 1e-3, 1e-7),
  ]) func dataFilesWin(_ text: String, _ relative: Double, _ absolute: Double) throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try text.write(toFile: folder + "/data.json", atomically: true, encoding: .utf8)
    let tolerance = try TestTolerance(folder: folder)
    #expect(
      tolerance
        == {
          var t = TestTolerance(); t.relative = relative; t.absolute = absolute; return t
        }())
  }

  @Test(arguments: ["", "[]", "{\"rtol\": }", "{\"rtol\": 1", "{\"rtol\": -1}", "{\"rtol\": 1} x", "{\"a: 1}"])
  func brokenDataFilesAreErrors(_ text: String) throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try text.write(toFile: folder + "/data.json", atomically: true, encoding: .utf8)
    #expect(throws: CameoError.self) { try TestTolerance(folder: folder) }
  }

  // MARK: Folders

  /// A test folder of this graph in opset 22 with tensors in text.
  private func write(
    _ name: String, in folder: String, _ graph: String, inputs: [String], outputs: [String], data: String? = nil
  ) throws {
    let path = "\(folder)/\(name)"
    try FileManager.default.createDirectory(atPath: path + "/test_data_set_0", withIntermediateDirectories: true)
    var model = Model(graph: try ONNXText.parseGraph(graph))
    model.opsets = ["": 22]
    try ONNXExporter.save(model, to: path + "/model.onnx")
    for (index, text) in inputs.enumerated() {
      try TensorFile.writeProto(try ONNXText.parseTensor(text), to: "\(path)/test_data_set_0/input_\(index).pb")
    }
    for (index, text) in outputs.enumerated() {
      try TensorFile.writeProto(try ONNXText.parseTensor(text), to: "\(path)/test_data_set_0/output_\(index).pb")
    }
    if let data { try data.write(toFile: path + "/data.json", atomically: true, encoding: .utf8) }
  }

  private func outcomes(_ arguments: String...) throws -> (status: Int32, tests: [String: [String: String]]) {
    let result = try Cameo.run(["conformance", "--json"] + arguments)
    var tests: [String: [String: String]] = [:]
    for case let test as [String: String] in try result.json()["tests"] as? [Any] ?? [] {
      tests[test["name"] ?? ""] = test
    }
    return (result.status, tests)
  }

  @Test func foldersAreJudged() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let neg = "g (float[2] x) => (float[2] y) { y = Neg (x) }"
    try write("test_pass", in: folder, neg, inputs: ["float[2] {1, 2}"], outputs: ["float[2] {-1, -2}"])
    try write("test_fail", in: folder, neg, inputs: ["float[2] {1, 2}"], outputs: ["float[2] {-1, -2.1}"])
    try write(
      "test_wide", in: folder, neg, inputs: ["float[2] {1, 2}"], outputs: ["float[2] {-1, -2.1}"],
      data: "{\"rtol\": 0.1}")
    try write("test_empty", in: folder, neg, inputs: [], outputs: [])
    try FileManager.default.removeItem(atPath: folder + "/test_empty/test_data_set_0")
    try write("test_half", in: folder, neg, inputs: ["float[2] {1, 2}"], outputs: [])
    try write(
      "test_more", in: folder, neg, inputs: ["float[2] {1, 2}"], outputs: ["float[2] {-1, -2}", "float[2] {-1, -2}"])
    let (status, tests) = try outcomes(folder, "--threads", "3")
    #expect(status == 1)
    #expect(tests["test_pass"]?["status"] == "pass")
    #expect(tests["test_wide"]?["status"] == "pass")
    #expect(tests["test_fail"]?["reason"] == "output y: element 1 is -2, not -2.1")
    #expect(tests["test_empty"]?["reason"] == "there is no test data beside the model")
    #expect(tests["test_half"]?["reason"]?.hasPrefix("there is no output_0.pb") == true)
    #expect(tests["test_more"]?["reason"]?.contains("the model has 1 outputs") == true)
  }

  @Test func drawsAreCheckedByTheirRate() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let x = "float[8] {0.1, 0.9, 0.5, 0.5, 0.25, 0.75, 0.4, 0.6}"
    let never = "float[8] {0, 0, 0, 0, 0, 0, 0, 0}"
    for (name, attributes) in [("test_free", ""), ("test_seeded", "<seed = 5.0>")] {
      try write(
        name, in: folder, "g (float[8] x) => (float[8] y) { y = Bernoulli \(attributes) (x) }", inputs: [x],
        outputs: [never])
    }
    let greater = "u = RandomUniformLike (x) c = Greater (u, x) y = Cast <to = 1> (c)"
    try write("test_body", in: folder, "g (float[8] x) => (float[8] y) { \(greater) }", inputs: [x], outputs: [never])
    // Another type, and a value that no draw has: failures whatever the numbers.
    try write(
      "test_type", in: folder, "g (float[8] x) => (float[8] y) { y = Bernoulli (x) }", inputs: [x],
      outputs: [never.replacingOccurrences(of: "float", with: "double")])
    try write(
      "test_scaled", in: folder, "g (float[8] x) => (float[8] y) { b = Bernoulli (x) y = Add (b, b) }", inputs: [x],
      outputs: [never])
    for provider in ["reference", "cpu"] {
      let (status, tests) = try outcomes(folder, "--provider", provider, "--level", "2")
      #expect(status == 1)
      for name in ["test_free", "test_seeded", "test_body"] {
        #expect(tests[name]?["status"] == "pass", "\(tests[name] ?? [:])")
        #expect(tests[name]?["note"]?.contains("rate") == true)
      }
      #expect(tests["test_type"]?["status"] == "fail")
      #expect(tests["test_scaled"]?["reason"]?.contains("neither 0 nor 1") == true)
    }
  }

  @Test func roundTripsAreKept() throws {
    let folder = try Cameo.folder()
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try write(
      "test_mean", in: folder,
      "g (float[2, 2] x) => (float[2] y) <int64[1] a = {1}> { y = ReduceMean <keepdims = 0> (x, a) }",
      inputs: ["float[2, 2] {1, 2, 3, 4}"], outputs: ["float[2] {1.5, 3.5}"])
    let kept = folder + "/kept"
    #expect(try outcomes(folder + "/test_mean", "--round-trip", "--keep", kept).status == 0)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: kept).sorted() == [
        "test_mean.opset22.onnx", "test_mean.opset28.onnx",
      ])
    let old = try outcomes(folder + "/test_mean", "--round-trip", "--opset", "7", "--opset", "13")
    #expect(old.status == 0)
    #expect(old.tests["test_mean"]?["status"] == "pass")
    #expect(try Cameo.run("conformance", folder, "--keep", kept).status == 64)
  }
}
