import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Encoders, scalers and maps. Numbers are those of ONNX Runtime 1.31 or the standard's text.
@Suite struct MLEncoderTests {
  private static func one(_ op: String, _ input: String, _ output: String, opset: Int = 28) -> OperatorCase {
    func type(_ tensor: String) -> (String, [Substring]) {
      let head = tensor.prefix { $0 != "{" }.filter { $0 != " " }
      guard let bracket = head.firstIndex(of: "[") else { return (head, []) }
      return (String(head[..<bracket]), head[head.index(after: bracket)...].dropLast().split(separator: ","))
    }
    let (input0, dims) = type(input)
    let declared = dims.isEmpty ? input0 : "\(input0)[\(dims.joined(separator: ", "))]"
    return Case(
      "g (\(declared) x) => (\(type(output).0)[] y) { y = ai.onnx.ml.\(op) (x) }", opset: opset, [input], [output])
  }

  static let elementwise = [
    one("Binarizer<threshold = 1.0>", "float[3] {1, 1.5, nan}", "float[3] {0, 1, 0}"),
    one("Binarizer", "double[3] {-1, 0, 1e-300}", "double[3] {0, 0, 1}"),
    one("Binarizer<threshold = 0.5>", "int64[3] {0, 1, -1}", "int64[3] {0, 1, 0}"),
    one("Binarizer<threshold = -0.5>", "int32[2, 2] {0, 1, -1, -2}", "int32[2, 2] {1, 1, 0, 0}"),
    // 2^24 + 1 is no float: the comparison is exact.
    one("Binarizer<threshold = 16777216.0>", "int64[2] {16777216, 16777217}", "int64[2] {0, 1}"),
    one("Binarizer<threshold = 1e30>", "int64[1] {9223372036854775807}", "int64[1] {0}"),
    one("Binarizer<threshold = -1e30>", "int64[1] {-9223372036854775807}", "int64[1] {1}"),
    one("Scaler<offset = [1.0], scale = [0.5]>", "float[2, 2] {1, 2, 3, 4}", "float[2, 2] {0, 0.5, 1, 1.5}"),
    one("Scaler<offset = [1.0, 2.0], scale = [0.5, 2.0]>", "double[2, 2] {1, 2, 3, 4}", "float[2, 2] {0, 0, 1, 4}"),
    one("Scaler<offset = [1.0, 2.0], scale = [0.5, 2.0]>", "int64[2] {3, 4}", "float[2] {1, 4}"),
    one("Scaler<scale = [0.5]>", "int32[2] {3, 4}", "float[2] {1.5, 2}"),
    one("Scaler<offset = [0.5]>", "int32[0, 2] {}", "float[0, 2] {}"),
    one("Normalizer", "float[2, 3] {1, -2, 3, -1, -2, -3}", "float[2, 3] {0.3333333433, -0.6666667, 1, 1, 2, 3}"),
    one(
      "Normalizer<norm = \"L1\">", "double[2, 3] {1, -2, 3, 0, 0, 0}",
      "float[2, 3] {0.16666667, -0.3333333, 0.5, 0, 0, 0}"),
    one("Normalizer<norm = \"L2\">", "int64[3] {1, -2, 3}", "float[3] {0.267261237, -0.534522474, 0.801783741}"),
    one("Normalizer<norm = \"L2\">", "int32[1, 2] {3, 4}", "float[1, 2] {0.6, 0.8}"),
    one(
      "Imputer<imputed_value_floats = [7.0, 8.0], replaced_value_float = nan>", "float[2, 2] {nan, 1, 2, nan}",
      "float[2, 2] {7, 1, 2, 8}"),
    one("Imputer<imputed_value_floats = [7.0]>", "double[1, 2] {0, 1}", "double[1, 2] {7, 1}"),
    one(
      "Imputer<imputed_value_int64s = [7, 8], replaced_value_int64 = -1>", "int64[2, 2] {-1, 1, 2, -1}",
      "int64[2, 2] {7, 1, 2, 8}"),
    one("Imputer<imputed_value_int64s = [7]>", "int32[2] {0, 1}", "int32[2] {7, 1}"),
  ]

  @Test(arguments: elementwise) func transforms(_ test: OperatorCase) throws { try test.check() }

  static let lookups = [
    one(
      "CategoryMapper<cats_int64s = [1, 2], cats_strings = [\"a\", \"b\"]>", "string[2, 1] {\"b\", \"?\"}",
      "int64[2, 1] {2, -1}"),
    one(
      "CategoryMapper<cats_int64s = [1, 2], cats_strings = [\"a\", \"b\"], default_string = \"none\">",
      "int64[2] {2, 7}", "string[2] {\"b\", \"none\"}"),
    one(
      "CategoryMapper<cats_int64s = [1, 1, 2], cats_strings = [\"a\", \"b\", \"b\"]>", "int64[2] {1, 2}",
      "string[2] {\"b\", \"b\"}"),
    one("OneHotEncoder<cats_int64s = [5, 7]>", "int64[3] {7, 5, 6}", "float[3, 2] {0, 1, 1, 0, 0, 0}"),
    one("OneHotEncoder<cats_int64s = [5, 7]>", "float[1, 3] {7.9, nan, 1e30}", "float[1, 3, 2] {0, 1, 0, 0, 0, 0}"),
    one("OneHotEncoder<cats_int64s = [0]>", "double[2] {-0.5, nan}", "float[2, 1] {1, 0}"),
    one("OneHotEncoder<cats_int64s = [5]>", "int32[1] {5}", "float[1, 1] {1}"),
    one(
      "OneHotEncoder<cats_strings = [\"a\", \"b\"], zeros = 0>", "string[2] {\"b\", \"a\"}", "float[2, 2] {0, 1, 1, 0}"),
    one(
      "LabelEncoder<keys_strings = [\"a\", \"b\"], values_int64s = [5, 6]>", "string[3] {\"b\", \"z\", \"a\"}",
      "int64[3] {6, -1, 5}"),
    one(
      "LabelEncoder<keys_int64s = [1, 2], values_strings = [\"x\", \"y\"]>", "int64[1, 2] {2, 3}",
      "string[1, 2] {\"y\", \"_Unused\"}"),
    one(
      "LabelEncoder<keys_floats = [nan, 0.0], values_floats = [1.0, 2.0], default_float = 9.0>",
      "float[4] {nan, -0.0, 0, 3}",
      "float[4] {1, 2, 2, 9}"),
    // The last of equal keys in version 4, the first in version 2.
    one("LabelEncoder<keys_int64s = [1, 1], values_int64s = [5, 6]>", "int64[1] {1}", "int64[1] {6}"),
    one("LabelEncoder<keys_int64s = [1, 1], values_int64s = [5, 6]>", "int64[1] {1}", "int64[1] {5}", opset: 2),
    one(
      "LabelEncoder<keys_floats = [nan, nan, 2.0], values_int64s = [5, 6, 7]>", "float[2] {2, 3}", "int64[2] {7, -1}",
      opset: 3),
    one(
      "LabelEncoder<keys_tensor = int16[2] {1, 2}, values_tensor = double[2] {0.1, 0.2}>", "int16[2] {2, 3}",
      "double[2] {0.2, -0.0}"),
    one(
      "LabelEncoder<keys_tensor = double[2] {0.1, 0.2}, values_tensor = int32[2] {10, 20}, default_tensor = int32[1] {-5}>",
      "double[2] {0.2, 0.3}", "int32[2] {20, -5}"),
    one(
      "LabelEncoder<keys_tensor = int32[1] {3}, values_tensor = string[1] {\"c\"}, default_tensor = string {\"d\"}>",
      "int32[2] {3, 4}", "string[2] {\"c\", \"d\"}"),
    one("LabelEncoder<keys_int64s = [3], values_tensor = int16[1] {4}>", "int64 {2}", "int16 {-1}"),
    // Version 1: indices of a list.
    one(
      "LabelEncoder<classes_strings = [\"a\", \"b\", \"a\"]>", "string[3] {\"a\", \"b\", \"c\"}", "int64[3] {2, 1, -1}",
      opset: 1),
    one(
      "LabelEncoder<classes_strings = [\"a\", \"b\"], default_string = \"none\">", "int64[3] {1, 2, -1}",
      "string[3] {\"b\", \"none\", \"none\"}", opset: 1),
  ]

  @Test(arguments: lookups) func looksUp(_ test: OperatorCase) throws { try test.check() }

  @Test(arguments: [
    Case(
      "g (float[2, 3] x, int64[2] i) => (float[?, ?] y) { y = ai.onnx.ml.ArrayFeatureExtractor (x, i) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}", "int64[2] {2, 0}"], ["float[2, 2] {3, 1, 6, 4}"]),
    Case(
      "g (string[3] x, int64[1, 2] i) => (string[?, ?] y) { y = ai.onnx.ml.ArrayFeatureExtractor (x, i) }",
      ["string[3] {\"a\", \"b\", \"c\"}", "int64[1, 2] {2, 2}"], ["string[1, 2] {\"c\", \"c\"}"]),
    Case(
      "g (int32[1, 2, 2] x, int64[1] i) => (int32[?, ?, ?] y) { y = ai.onnx.ml.ArrayFeatureExtractor (x, i) }",
      ["int32[1, 2, 2] {1, 2, 3, 4}", "int64[1] {1}"], ["int32[1, 2, 1] {2, 4}"]),
    Case(
      "g (int64[2, 1] a, int64[2, 3] b) => (float[?, ?] y) { y = ai.onnx.ml.FeatureVectorizer<inputdimensions = [2, 2]> (a, b) }",
      ["int64[2, 1] {1, 2}", "int64[2, 3] {3, 4, 5, 6, 7, 8}"], ["float[2, 4] {1, 0, 3, 4, 2, 0, 6, 7}"]),
    Case(
      "g (double[2] a, double[1] b) => (float[?, ?] y) { y = ai.onnx.ml.FeatureVectorizer (a, b) }",
      ["double[2] {1, 2}", "double[1] {3}"], ["float[1, 3] {1, 2, 3}"]),
  ]) func picksAndJoins(_ test: OperatorCase) throws { try test.check() }

  // MARK: Maps

  private func run(_ graph: String, _ input: Value) throws -> Value {
    try GraphEvaluator(try ONNXText.parseGraph(graph)).run([input])[0]
  }

  @Test func mapsKeepTheOrderOfLabels() throws {
    let x = try ONNXText.parseTensor("float[2, 3] {1, 2, 3, 4, 5, 6}")
    let graph = "g (float[N, 3] x) => (z) { z = ai.onnx.ml.ZipMap<classlabels_int64s = [9, 4, 7]> (x) }"
    guard case .sequence(let maps) = try run(graph, .tensor(x)), maps.count == 2, case .map(let map) = maps[1] else {
      Issue.record("no sequence of two maps")
      return
    }
    #expect(try map.keys.ints() == [9, 4, 7])
    #expect(try map.values.map { try #require($0.tensor).scalar(as: Float.self) } == [4, 5, 6])
    #expect(map.values.allSatisfy { $0.tensor?.shape == [] })
    let inference = ShapeInference(try ONNXText.parseGraph(graph))
    try inference.run()
    #expect(inference[try ONNXText.parseGraph(graph).outputs[0]].type == .sequence(.map(.int64, .tensor(.float, []))))
  }

  @Test func mapsOfStringsAndEqualLabels() throws {
    let x = try ONNXText.parseTensor("float[3] {1, 2, 3}")
    let graph = "g (float[3] x) => (z) { z = ai.onnx.ml.ZipMap<classlabels_strings = [\"b\", \"a\", \"b\"]> (x) }"
    guard case .sequence(let maps) = try run(graph, .tensor(x)), maps.count == 1, case .map(let map) = maps[0] else {
      Issue.record("no sequence of one map")
      return
    }
    #expect(map.keys.strings == ["b", "a"])
    #expect(try map.values.map { try #require($0.tensor).scalar(as: Float.self) } == [3, 2])
    #expect(throws: CameoError.self) { try run(graph, .tensor(try ONNXText.parseTensor("float[2] {1, 2}"))) }
  }

  private func map(_ keys: String, _ values: [String]) throws -> Value {
    .map(
      MapValue(keys: try ONNXText.parseTensor(keys), values: try values.map { .tensor(try ONNXText.parseTensor($0)) }))
  }

  @Test(arguments: [
    (
      "string_vocabulary = [\"a\", \"c\", \"b\"]", "string[2] {\"b\", \"a\"}", ["float {4}", "float {8}"],
      "float[1, 3] {8, 0, 4}"
    ),
    (
      "string_vocabulary = [\"a\", \"c\"]", "string[2] {\"z\", \"a\"}", ["int64 {4}", "int64 {8}"], "int64[1, 2] {8, 0}"
    ),
    ("int64_vocabulary = [3, 1]", "int64[1] {1}", ["string {\"x\"}"], "string[1, 2] {\"\", \"x\"}"),
    ("int64_vocabulary = [3, 1, 3]", "int64[1] {3}", ["double {0.1}"], "double[1, 3] {0.1, 0, 0.1}"),
  ]) func vectorizesDictionaries(_ vocabulary: String, _ keys: String, _ values: [String], _ expected: String) throws {
    let result = try run("g (x) => (y) { y = ai.onnx.ml.DictVectorizer<\(vocabulary)> (x) }", try map(keys, values))
    let tensor = try #require(result.tensor)
    #expect(OperatorCase.agree(tensor, try ONNXText.parseTensor(expected)), "\(OperatorCase.describe(tensor))")
  }

  @Test(arguments: [
    ("cast_to = \"TO_FLOAT\"", ["float {4}", "float {8}"], "float[1, 2] {8, 4}"),
    ("cast_to = \"TO_INT64\"", ["float {-4.7}", "float {8.9}"], "int64[1, 2] {8, -4}"),
    ("cast_to = \"TO_STRING\"", ["float {4}", "float {0.5}"], "string[1, 2] {\"0.500000\", \"4.000000\"}"),
    (
      "cast_to = \"TO_FLOAT\", map_form = \"SPARSE\", max_map = 4", ["string {\"1e2\"}", "string {\" 7x\"}"],
      "float[1, 4] {0, 7, 0, 100}"
    ),
    (
      "cast_to = \"TO_INT64\", map_form = \"SPARSE\", max_map = 5", ["string {\"12\"}", "string {\"-3\"}"],
      "int64[1, 5] {0, -3, 0, 12, 0}"
    ),
    (
      "cast_to = \"TO_STRING\", map_form = \"SPARSE\", max_map = 4", ["string {\"p\"}", "string {\"q\"}"],
      "string[1, 4] {\"0.f\", \"q\", \"0.f\", \"p\"}"
    ),
  ]) func castsMaps(_ attributes: String, _ values: [String], _ expected: String) throws {
    let result = try run(
      "g (x) => (y) { y = ai.onnx.ml.CastMap<\(attributes)> (x) }", try map("int64[2] {3, 1}", values))
    let tensor = try #require(result.tensor)
    #expect(OperatorCase.agree(tensor, try ONNXText.parseTensor(expected)), "\(OperatorCase.describe(tensor))")
  }

  @Test(arguments: [
    ("CastMap<map_form = \"SPARSE\", max_map = 3>", "key 3 lies outside"),
    ("CastMap<map_form = \"SPARSE\", max_map = 0>", "max_map is 0"),
    ("CastMap<map_form = \"SPARSE\", max_map = 9223372036854775807>", ""),
    ("CastMap<map_form = \"PACKED\">", "DENSE or SPARSE was expected"),
    ("CastMap<cast_to = \"TO_BOOL\">", "TO_FLOAT, TO_STRING or TO_INT64 was expected"),
    ("DictVectorizer<string_vocabulary = [\"a\"]>", "the map's keys are int64"),
    ("DictVectorizer", "one of them was expected"),
  ]) func refusesMaps(_ op: String, _ text: String) throws {
    let error = #expect(throws: CameoError.self) {
      try run("g (x) => (y) { y = ai.onnx.ml.\(op) (x) }", try map("int64[2] {3, 1}", ["float {1}", "float {2}"]))
    }
    #expect(error?.reason.contains(text) == true || text.isEmpty, "\(error?.description ?? "")")
  }

  @Test func refusesTextThatIsNoNumber() throws {
    for (target, text) in [("TO_INT64", "x"), ("TO_INT64", "99999999999999999999"), ("TO_FLOAT", "")] {
      #expect(throws: CameoError.self) {
        try run(
          "g (x) => (y) { y = ai.onnx.ml.CastMap<cast_to = \"\(target)\"> (x) }",
          try map("int64[1] {3}", ["string {\"\(text)\"}"]))
      }
    }
  }
}
