import GraphIR
import Operators
import Tensors
import Testing

private typealias Case = OperatorCase

/// Nodes as older opsets wrote them.
@Suite struct VersionTests {
  private static let legacyNodes: [OperatorCase] = [
    Case(
      "g (float[2, 3, 2] x, float[3] y) => (float[?] z) { z = Add<broadcast = 1, axis = 1> (x, y) }", opset: 6,
      ["float[2, 3, 2] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}", "float[3] {1, 2, 3}"],
      ["float[2, 3, 2] {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3}"]),
    // Nothing declared: the ranks come with the run.
    Case(
      "g (x, y) => (z) { z = Mul<broadcast = 1, axis = 0, consumed_inputs = [0, 0]> (x, y) }", opset: 1,
      ["float[2, 2] {1, 2, 3, 4}", "float[2] {10, 100}"], ["float[2, 2] {10, 20, 300, 400}"]),
    Case(
      "g (x, y) => (z) { z = Sub<broadcast = 1, axis = -1> (x, y) }", opset: 6,
      ["float[2, 2] {1, 2, 3, 4}", "float[2] {1, 2}"], ["float[2, 2] {0, 0, 2, 2}"]),
    Case(
      "g (float[2, 2] x, float[2] y) => (bool[?] z) { z = Greater<broadcast = 1> (x, y) }", opset: 6,
      ["float[2, 2] {1, 2, 3, 4}", "float[2] {2, 2}"], ["bool[2, 2] {0, 0, 1, 1}"]),
    Case(
      "g (float[1, 2, 2] x, float[2] y) => (float[?] z) { z = PRelu (x, y) }", opset: 6,
      ["float[1, 2, 2] {-1, -2, -3, 4}", "float[2] {0.5, 0.1}"], ["float[1, 2, 2] {-0.5, -1, -0.3, 4}"]),
    Case(
      "g (float[2] x) => (float[?] y) { y = Abs<consumed_inputs = [0]> (x) }", opset: 1, ["float[2] {-1, 1}"],
      ["float[2] {1, 1}"]),
    Case(
      "g (float[3] x) => (float[?] y) { y = Clip<min = -1.0, max = 1.0> (x) }", opset: 6, ["float[3] {-2, 0, 2}"],
      ["float[3] {-1, 0, 1}"]),
    Case(
      "g (double[2] x) => (double[?] y) { y = Clip<max = 1.0> (x) }", opset: 6, ["double[2] {-2, 2}"],
      ["double[2] {-2, 1}"]),
    Case("g (x) => (y) { y = Clip<max = 1.0> (x) }", opset: 6, ["double[2] {-2, 2}"], ["double[2] {-2, 1}"]),
    Case(
      "g (float[2] x) => (int32[?] y) { y = Cast<to = \"INT32\"> (x) }", opset: 1, ["float[2] {1.5, 2}"],
      ["int32[2] {1, 2}"]),
    Case(
      "g (float[2] x) => (float[?] y, float[?] m) { y, m = Dropout<ratio = 0.3> (x) }", opset: 7, ["float[2] {1, 2}"],
      ["float[2] {1, 2}", "float[2] {1, 1}"]),
    Case(
      "g (float[2, 2] x) => (float[?] y) { y = ReduceSum<axes = [1], keepdims = 0> (x) }", opset: 11,
      ["float[2, 2] {1, 2, 3, 4}"], ["float[2] {3, 7}"]),
    Case(
      "g (float[2, 2] x) => (float[?] y) { y = ReduceMean (x) }", opset: 13, ["float[2, 2] {1, 2, 3, 4}"],
      ["float[1, 1] {2.5}"]),
    Case(
      "g (float[3] x) => (float[?] v, int64[?] i) { v, i = TopK<k = 1> (x) }", opset: 9, ["float[3] {1, 3, 2}"],
      ["float[1] {3}", "int64[1] {1}"]),
    Case(
      "g (float[4] x) => (float[?] y) { y = Reshape<shape = [2, -1]> (x) }", opset: 1, ["float[4] {1, 2, 3, 4}"],
      ["float[2, 2] {1, 2, 3, 4}"]),
    Case(
      "g (float[1, 2] x) => (float[?] y) { y = Squeeze<axes = [0]> (x) }", opset: 11, ["float[1, 2] {1, 2}"],
      ["float[2] {1, 2}"]),
    Case(
      "g (float[2] x) => (float[?] y) { y = Unsqueeze<axes = [0]> (x) }", opset: 9, ["float[2] {1, 2}"],
      ["float[1, 2] {1, 2}"]),
    Case(
      "g (float[1, 1] x, float[1, 2] y) => (float[?] z) { z = Concat (x, y) }", opset: 1,
      ["float[1, 1] {1}", "float[1, 2] {2, 3}"], ["float[1, 3] {1, 2, 3}"]),
    Case(
      "g (float[2, 3] x) => (float[?] y) { y = Slice<starts = [1], ends = [1000], axes = [1]> (x) }", opset: 1,
      ["float[2, 3] {1, 2, 3, 4, 5, 6}"], ["float[2, 2] {2, 3, 5, 6}"]),
    Case(
      "g (float[3] x) => (float[?] a, float[?] b) { a, b = Split<split = [1, 2]> (x) }", opset: 2,
      ["float[3] {1, 2, 3}"],
      ["float[1] {1}", "float[2] {2, 3}"]),
    Case(
      "g (float[4] x) => (float[?] a, float[?] b) { a, b = Split (x) }", opset: 13, ["float[4] {1, 2, 3, 4}"],
      ["float[2] {1, 2}", "float[2] {3, 4}"]),
    Case(
      "g (float[2] x) => (float[?] y) { y = Pad<pads = [1, 0], value = 5.0> (x) }", opset: 2, ["float[2] {1, 2}"],
      ["float[3] {5, 1, 2}"]),
    Case(
      "g (float[2] x) => (float[?] y) { y = Pad<paddings = [0, 1]> (x) }", opset: 1, ["float[2] {1, 2}"],
      ["float[3] {1, 2, 0}"]),
    Case(
      "g (float[2] x, int64[1] i, float[1] u) => (float[?] y) { y = Scatter (x, i, u) }", opset: 9,
      ["float[2] {1, 2}", "int64[1] {1}", "float[1] {9}"], ["float[2] {1, 9}"]),
    Case(
      "g (float[1, 2] x) => (float[?] y) <float t = {2}, float a = {1}> { y = Tile (x, t, a) }", opset: 1,
      ["float[1, 2] {1, 2}"],
      ["float[1, 4] {1, 2, 1, 2}"]),
  ]

  @Test(arguments: legacyNodes) func upgrades(_ test: OperatorCase) throws { try test.check() }

  /// Lowers the graph's nodes to `opset` and upgrades them again: the same results.
  private func roundTrip(_ text: String, to opset: Int, _ inputs: [String]) throws -> Graph {
    let original = try ONNXText.parseGraph(text)
    let values = try inputs.map { Value.tensor(try ONNXText.parseTensor($0)) }
    let expected = try GraphEvaluator(original).run(values)
    var graph = original
    for id in original.nodes {
      let name = graph[id].operatorName
      let op = try #require(OperatorRegistry[name])
      let version = try #require(SchemaRegistry.sinceVersion(domain: "", name: name.name, opset: opset))
      try op.lower(&graph, id, to: version)
    }
    try graph.sortTopologically()
    let lowered = graph
    try OperatorCase.upgrade(&graph, from: opset)
    let results = try GraphEvaluator(graph).run(values)
    for (a, b) in zip(expected, results) {
      let (x, y) = (try #require(a.tensor), try #require(b.tensor))
      #expect(OperatorCase.agree(x, y), "\(text) @\(opset)")
    }
    return lowered
  }

  @Test(arguments: [
    (
      6, "g (float[2, 3, 2] x) => (float[?] z) <float[3, 1] y = {1, 2, 3}> { z = Add (y, x) }",
      ["float[2, 3, 2] {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}"]
    ),
    (
      6, "g (float[2, 2] x, float[1, 2] y) => (float[?] z) { z = Sub (x, y) }",
      ["float[2, 2] {1, 2, 3, 4}", "float[1, 2] {1, 2}"]
    ),
    (
      6, "g (float[1, 2, 2] x) => (float[?] z) <float[2, 1] y = {0.5, 0.1}> { z = PRelu (x, y) }",
      ["float[1, 2, 2] {-1, -2, -3, 4}"]
    ),
    (
      6, "g (float[3] x) => (float[?] y) <float a = {-1}, float b = {1}> { y = Clip (x, a, b) }",
      ["float[3] {-2, 0, 2}"]
    ),
    (11, "g (float[3] x) => (float[?] y) <int64[1] a = {-1}> { y = ReduceSum (x, a) }", ["float[3] {1, 2, 3}"]),
    (17, "g (float[3] x) => (float[?] y) <int64[1] a = {-1}> { y = ReduceMax (x, a) }", ["float[3] {1, 2, 3}"]),
    (9, "g (float[3] x) => (float[?] v, int64[?] i) <int64[1] k = {2}> { v, i = TopK (x, k) }", ["float[3] {1, 3, 2}"]),
    (
      9,
      "g (float[2, 3] x) => (float[?] y) <int64[1] s = {1}, int64[1] e = {3}, int64[1] a = {-1}> { y = Slice (x, s, e, a) }",
      ["float[2, 3] {1, 2, 3, 4, 5, 6}"]
    ),
    (4, "g (float[4] x) => (float[?] y) <int64[2] s = {2, -1}> { y = Reshape (x, s) }", ["float[4] {1, 2, 3, 4}"]),
    (
      12, "g (float[5] x) => (float[?] a, float[?] b) { a, b = Split<num_outputs = 2> (x) }",
      ["float[5] {1, 2, 3, 4, 5}"]
    ),
    (
      10, "g (float[1, 2] x) => (float[?] y) <int64[2] p = {1, 0}, int64[1] a = {-1}> { y = Pad (x, p, , a) }",
      ["float[1, 2] {1, 2}"]
    ),
    (5, "g (float[1, 2] x) => (float[?] y) <int64[2] r = {1, 2}> { y = Tile (x, r) }", ["float[1, 2] {1, 2}"]),
    (9, "g (float[1, 2] x) => (float[?] y) <int64[1] a = {-2}> { y = Squeeze (x, a) }", ["float[1, 2] {1, 2}"]),
    (9, "g (float[2] x) => (float[?] y) <int64[1] a = {-1}> { y = Unsqueeze (x, a) }", ["float[2] {1, 2}"]),
    (5, "g (float[2] x) => (int64[?] y) { y = Cast<to = 7> (x) }", ["float[2] {1, 2}"]),
  ]) func lowersAndComesBack(_ opset: Int, _ text: String, _ inputs: [String]) throws {
    let lowered = try roundTrip(text, to: opset, inputs)
    for id in lowered.nodes {
      let node = lowered[id]
      guard let schema = SchemaRegistry.schema(domain: "", name: node.type, opset: opset) else { continue }
      #expect(schema.inputCount.contains(node.inputs.count), "\(lowered.describe(id))")
      for attribute in node.attributes { #expect(schema.attribute(attribute.name) != nil, "\(attribute.name)") }
    }
  }

  @Test(arguments: [
    (6, "g (float[2, 1] x, float[1, 2] y) => (float[?] z) { z = Add (x, y) }"),
    (
      9,
      "g (float[3] x) => (float[?] y) <int64[1] s = {0}, int64[1] e = {3}, int64[1] a = {0}, int64[1] t = {2}> { y = Slice (x, s, e, a, t) }"
    ),
    (12, "g (float[3] x, int64[1] a) => (float[?] y) { y = ReduceSum (x, a) }"),
    (
      17,
      "g (float[2] x, int64[1] i, float[1] u) => (float[?] y) { y = ScatterElements<reduction = \"max\"> (x, i, u) }"
    ),
    (18, "g (float[2] x, int64[2] p) => (float[?] y) { y = Pad<mode = \"wrap\"> (x, p) }"),
    (12, "g (float[2] x) => (bfloat16[?] y) { y = Cast<to = 16> (x) }"),
  ]) func refusesWhatTheOlderVersionCannotSay(_ opset: Int, _ text: String) throws {
    var graph = try ONNXText.parseGraph(text)
    let id = graph.nodes[0]
    let op = try #require(OperatorRegistry[graph[id].operatorName])
    let version = try #require(SchemaRegistry.sinceVersion(domain: "", name: graph[id].type, opset: opset))
    let error = #expect(throws: CameoError.self) { try op.lower(&graph, id, to: version) }
    #expect(error?.kind == .unsupported)
  }

  @Test func everyRegisteredOperatorIsPublished() {
    for op in OperatorRegistry.all where op.name.domain.isEmpty {
      #expect(!SchemaRegistry.versions(domain: "", name: op.name.name).isEmpty, "\(op.name)")
    }
  }
}
