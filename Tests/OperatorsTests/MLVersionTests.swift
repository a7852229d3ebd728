import GraphIR
import Operators
import Tensors
import Testing

/// Operators of ai.onnx.ml in older versions of their own.
@Suite struct MLVersionTests {
  private static let domain = "ai.onnx.ml"

  private func lower(_ text: String, to opset: Int) throws -> Graph {
    var graph = try ONNXText.parseGraph(text)
    for id in graph.nodes {
      let op = try #require(OperatorRegistry[graph[id].operatorName])
      let version = try #require(
        SchemaRegistry.sinceVersion(domain: Self.domain, name: graph[id].type, opset: opset))
      try op.lower(&graph, id, to: version)
    }
    return graph
  }

  private static let encoder = "ai.onnx.ml.LabelEncoder"

  @Test(arguments: [
    (
      1,
      "g (string[3] x) => (int64[?] y) { y = \(encoder)<keys_strings = [\"b\", \"a\"], values_int64s = [1, 0]> (x) }",
      "string[3] {\"a\", \"b\", \"c\"}"
    ),
    (
      1,
      "g (string[3] x) => (int64[?] y) { y = \(encoder)<keys_strings = [\"a\", \"b\", \"a\"], values_int64s = [0, 1, 2]> (x) }",
      "string[3] {\"a\", \"b\", \"c\"}"
    ),
    (
      1,
      "g (int64[3] x) => (string[?] y) { y = \(encoder)<keys_int64s = [1, 0], values_strings = [\"b\", \"b\"], default_string = \"d\"> (x) }",
      "int64[3] {0, 1, 2}"
    ),
    (
      2,
      "g (int64[3] x) => (float[?] y) { y = \(encoder)<keys_tensor = int64[3] {1, 1, 2}, values_tensor = float[3] {5, 6, 7}, default_tensor = float[1] {9}> (x) }",
      "int64[3] {1, 2, 3}"
    ),
    (
      2,
      "g (float[3] x) => (string[?] y) { y = \(encoder)<keys_floats = [0.0, -0.0, 2.0], values_strings = [\"a\", \"b\", \"c\"], default_tensor = string[1] {\"z\"}> (x) }",
      "float[3] {0, 2, 3}"
    ),
    (
      2,
      "g (string[2] x) => (int64[?] y) { y = \(encoder)<keys_strings = [\"a\", \"a\"], values_int64s = [1, 2], default_tensor = int64[1] {7}> (x) }",
      "string[2] {\"a\", \"b\"}"
    ),
    (
      1,
      """
      g (double[2, 1] x) => (float[?, ?] y) { y = ai.onnx.ml.TreeEnsembleRegressor<\(MLTreeTests.stump(values: "nodes_values_as_tensor = double[3] {0, 0, 0}")),
        n_targets = 1, target_treeids = [0, 0], target_nodeids = [1, 2], target_ids = [0, 0],
        target_weights_as_tensor = double[2] {0.25, 0.75}, base_values_as_tensor = double[1] {0.5}> (x) }
      """, "double[2, 1] {-1, 1}"
    ),
    (
      1,
      """
      g (float[2, 1] x) => (int64[?] y, float[?, ?] z) { y, z = ai.onnx.ml.TreeEnsembleClassifier<\(MLTreeTests.stump),
        classlabels_int64s = [5, 6], class_treeids = [0, 0], class_nodeids = [1, 2], class_ids = [0, 0],
        class_weights_as_tensor = double[2] {0.25, 0.75}> (x) }
      """, "float[2, 1] {-1, 1}"
    ),
  ]) func lowersAndComesBack(_ opset: Int, _ text: String, _ input: String) throws {
    let value = Value.tensor(try ONNXText.parseTensor(input))
    let expected = try GraphEvaluator(try ONNXText.parseGraph(text)).run([value])
    var graph = try lower(text, to: opset)
    let node = graph[graph.nodes[0]]
    let schema = try #require(SchemaRegistry.schema(domain: Self.domain, name: node.type, opset: opset))
    for attribute in node.attributes { #expect(schema.attribute(attribute.name) != nil, "\(attribute.name)") }
    try OperatorCase.upgrade(&graph, from: opset)
    let results = try GraphEvaluator(graph).run([value])
    for (a, b) in zip(expected, results) {
      let (x, y) = (try #require(a.tensor), try #require(b.tensor))
      #expect(OperatorCase.agree(x, y), "\(OperatorCase.describe(y)) instead of \(OperatorCase.describe(x))")
    }
  }

  @Test(arguments: [
    (2, "g (double[1] x) => (int64[?] y) { y = \(encoder)<keys_tensor = double[1] {1}, values_int64s = [1]> (x) }"),
    (2, "g (int64[1] x) => (int16[?] y) { y = \(encoder)<keys_int64s = [1], values_tensor = int16[1] {1}> (x) }"),
    (2, "g (float[1] x) => (int64[?] y) { y = \(encoder)<keys_floats = [nan], values_int64s = [1]> (x) }"),
    (
      1, "g (string[1] x) => (int64[?] y) { y = \(encoder)<keys_strings = [\"a\", \"b\"], values_int64s = [1, 2]> (x) }"
    ),
    (1, "g (int64[1] x) => (int64[?] y) { y = \(encoder)<keys_int64s = [1], values_int64s = [1]> (x) }"),
    (
      1,
      "g (string[1] x) => (int64[?] y) { y = \(encoder)<keys_strings = [\"a\", \"a\"], values_int64s = [1, 0]> (x) }"
    ),
    (
      1,
      """
      g (double[2, 1] x) => (float[?, ?] y) { y = ai.onnx.ml.TreeEnsembleRegressor<nodes_values_as_tensor = double[1] {0.1},
        n_targets = 1> (x) }
      """
    ),
  ]) func refusesWhatTheOlderVersionCannotSay(_ opset: Int, _ text: String) throws {
    let error = #expect(throws: CameoError.self) { try lower(text, to: opset) }
    #expect(error?.kind == .unsupported)
  }

  /// Neither types nor defaults say which way version 1 goes: the input does.
  @Test func encodersOfUnknownDirection() throws {
    for (input, output) in [
      ("string[2] {\"b\", \"z\"}", "int64[2] {1, -1}"), ("int64[2] {0, 2}", "string[2] {\"a\", \"_Unused\"}"),
    ] {
      try OperatorCase(
        "g (x) => (y) { y = \(Self.encoder)<classes_strings = [\"a\", \"b\"]> (x) }", opset: 1, [input], [output]
      ).check()
    }
    for (defaults, name) in [("default_string = \"q\"", "values_strings"), ("default_int64 = 7", "values_int64s")] {
      var graph = try ONNXText.parseGraph(
        "g (x) => (y) { y = \(Self.encoder)<classes_strings = [\"a\"], \(defaults)> (x) }")
      try OperatorCase.upgrade(&graph, from: 1)
      #expect(graph[graph.nodes[0]][name] != nil)
    }
  }

  @Test func everyPublishedOperatorIsThere() {
    let published = Set(SchemaRegistry.allKeys.filter { $0.domain == Self.domain }.map(\.name))
    let registered = Set(OperatorRegistry.all.filter { $0.name.domain == Self.domain }.map(\.name.name))
    #expect(published == registered)
    #expect(published.count == 19)
  }
}
