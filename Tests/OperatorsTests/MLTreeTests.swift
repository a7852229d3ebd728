import GraphIR
import Operators
import Tensors
import Testing

/// Tree ensembles. Numbers are those of ONNX Runtime 1.31 and onnx.reference 1.23, unless the case says why not.
@Suite struct MLTreeTests {
  /// x <= 0 goes to node 1, else to node 2.
  static let stump = stump(values: "nodes_values = [0.0, 0.0, 0.0]")

  static func stump(values: String) -> String {
    """
    nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_featureids = [0, 0, 0], nodes_modes = ["BRANCH_LEQ", "LEAF", "LEAF"],
    nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0], \(values)
    """
  }

  private static func classifier(
    _ votes: String, _ expected: (labels: [Int], scores: String), labels: String = "classlabels_int64s = [5, 6]",
    input: String = "float"
  ) -> OperatorCase {
    let rows = "\(expected.labels)".dropFirst().dropLast()
    let columns = expected.scores.split(separator: ",").count / 2
    return OperatorCase(
      "g (\(input)[2, 1] x) => (int64[?] y, float[?, ?] z) { y, z = ai.onnx.ml.TreeEnsembleClassifier<\(stump), \(votes), \(labels)> (x) }",
      ["\(input)[2, 1] {-1, 1}"], ["int64[2] {\(rows)}", "float[2, \(columns)] {\(expected.scores)}"])
  }

  private static func ids(_ ids: String, _ weights: String, nodes: String = "[1, 2]") -> String {
    let trees = "[" + String(repeating: "0, ", count: ids.split(separator: ",").count - 1) + "0]"
    return "class_treeids = \(trees), class_nodeids = \(nodes), class_ids = \(ids), class_weights = \(weights)"
  }

  static let classifiers = [
    // One of two classes is voted for: votes for class 0 are the score of class 1.
    classifier(ids("[0, 0]", "[0.3, 0.7]"), ([5, 6], "0.7, 0.3, 0.3, 0.7")),
    classifier(ids("[0, 0]", "[-0.3, 0.7]"), ([5, 6], "0.3, -0.3, -0.7, 0.7")),
    classifier(ids("[0, 0]", "[0.3, 0.7]") + ", base_values = [0.1]", ([5, 6], "0.6, 0.4, 0.2, 0.8")),
    classifier(ids("[0, 0]", "[0.3, 0.7]") + ", base_values = [0.1, 0.9]", ([5, 6], "0.6, 0.4, 0.2, 0.8")),
    classifier(
      ids("[0, 0]", "[-0.3, 0.7]") + ", post_transform = \"LOGISTIC\"",
      ([5, 6], "0.574442506, 0.425557494, 0.331812263, 0.668187737")),
    // The label has the greater score (ONNX Runtime: 5 in the first row).
    classifier(
      ids("[0, 0]", "[0.3, 0.7]") + ", post_transform = \"LOGISTIC\"",
      ([6, 6], "0.425557494, 0.574442506, 0.331812263, 0.668187737")),
    classifier(
      ids("[0, 0]", "[0.3, 0.7]") + ", post_transform = \"SOFTMAX\"",
      ([6, 6], "0.354343683, 0.645656288, 0.197816119, 0.802183926")),
    classifier(
      ids("[0, 0]", "[0.3, 0.7]") + ", post_transform = \"PROBIT\"",
      ([5, 6], "0.524445593, -0.524445593, -0.524445593, 0.524445593")),
    // Votes for class 1 alone.
    classifier(ids("[1, 1]", "[0.3, 0.7]"), ([5, 6], "0, 0.3, 0, 0.7")),
    classifier(ids("[1, 1]", "[-0.3, 0.7]"), ([5, 6], "0, -0.3, 0, 0.7")),
    // Both classes: the greater one (ONNX Runtime: 1 or 0).
    classifier(
      ids("[0, 1, 0, 1]", "[0.3, 0.7, 0.8, 0.2]", nodes: "[1, 1, 2, 2]") + ", base_values = [0.1, 0.2]",
      ([6, 5], "0.4, 0.9, 0.9, 0.4")),
    // Three classes.
    classifier(
      ids("[0, 1, 2, 0, 1, 2]", "[0.2, 0.5, 0.3, -0.4, 0.1, 0.9]", nodes: "[1, 1, 1, 2, 2, 2]")
        + ", post_transform = \"SOFTMAX\"",
      ([8, 9], "0.289433092, 0.390693814, 0.319873035, 0.158277497, 0.260955483, 0.580767035"),
      labels: "classlabels_int64s = [7, 8, 9]"),
    classifier(
      ids("[0, 2]", "[-0.3, -0.7]") + ", base_values = [0.1, 0.2, 0.3]", ([7, 6], "-0.2, 0.2, 0.3, 0.1, 0.2, -0.4"),
      labels: "classlabels_int64s = [5, 6, 7]"),
    classifier(
      ids("[0, 2]", "[-0.3, -0.7]") + ", post_transform = \"SOFTMAX_ZERO\"", ([5, 7], "1, 0, 0, 0, 0, 1"),
      labels: "classlabels_int64s = [5, 6, 7]"),
    // One class.
    classifier(ids("[0, 0]", "[0.3, -0.7]"), ([1, 0], "0.3, -0.7"), labels: "classlabels_int64s = [5]"),
    classifier(ids("[0, 0]", "[0.3, 0.7]"), ([5, 6], "0.7, 0.3, 0.3, 0.7"), input: "int64"),
    classifier(ids("[0, 0]", "[0.3, 0.7]"), ([5, 6], "0.7, 0.3, 0.3, 0.7"), input: "int32"),
    classifier(ids("[0, 0]", "[0.3, 0.7]"), ([5, 6], "0.7, 0.3, 0.3, 0.7"), input: "double"),
  ]

  @Test(arguments: classifiers) func classifies(_ test: OperatorCase) throws { try test.check() }

  @Test func labelsAreStrings() throws {
    try OperatorCase(
      "g (float[2, 1] x) => (string[?] y, float[?, ?] z) { y, z = ai.onnx.ml.TreeEnsembleClassifier<\(Self.stump), \(Self.ids("[0, 0]", "[0.3, 0.7]")), classlabels_strings = [\"no\", \"yes\"]> (x) }",
      ["float[2, 1] {-1, 1}"], ["string[2] {\"no\", \"yes\"}", "float[2, 2] {0.7, 0.3, 0.3, 0.7}"]
    ).check()
  }

  private static func regressor(
    _ rest: String, targets: Int, _ expected: String, input: String = "float", values: String = "-1, 1"
  ) -> OperatorCase {
    OperatorCase(
      "g (\(input)[2, 1] x) => (float[?, ?] y) { y = ai.onnx.ml.TreeEnsembleRegressor<\(stump), n_targets = \(targets), \(rest)> (x) }",
      ["\(input)[2, 1] {\(values)}"], ["float[2, \(targets)] {\(expected)}"])
  }

  private static let one =
    "target_treeids = [0, 0], target_nodeids = [1, 2], target_ids = [0, 0], target_weights = [0.25, 0.75]"
  private static let each =
    "target_treeids = [0, 0], target_nodeids = [1, 2], target_ids = [0, 1], target_weights = [0.25, 0.75]"

  static let regressors = [
    regressor(one, targets: 1, "0.25, 0.75"),
    regressor(one + ", base_values = [0.5]", targets: 1, "0.75, 1.25"),
    regressor(one + ", aggregate_function = \"AVERAGE\"", targets: 1, "0.25, 0.75"),
    regressor(one + ", aggregate_function = \"MIN\", base_values = [0.5]", targets: 1, "0.75, 1.25"),
    regressor(one, targets: 1, "0.25, 0.75", input: "double"),
    regressor(one, targets: 1, "0.25, 0.75", input: "int64"),
    regressor(one, targets: 1, "0.25, 0.75", input: "int32"),
    // Base values also where nobody votes (ONNX Runtime: 0).
    regressor(each + ", base_values = [0.5, 0.25]", targets: 2, "0.75, 0.25, 0.5, 1"),
    regressor(each + ", aggregate_function = \"MAX\"", targets: 2, "0.25, 0, 0, 0.75"),
    // Every vote of a leaf.
    regressor(
      "target_treeids = [0, 0, 0], target_nodeids = [1, 2, 1], target_ids = [0, 0, 0], target_weights = [0.25, 0.75, 1.0]",
      targets: 1, "1.25, 0.75"),
    // Applied to a single target, too, as the text says.
    regressor(one + ", post_transform = \"LOGISTIC\"", targets: 1, "0.562176501, 0.679178699"),
    regressor(each + ", post_transform = \"LOGISTIC\"", targets: 2, "0.562176501, 0.5, 0.5, 0.679178699"),
    regressor(each + ", post_transform = \"SOFTMAX_ZERO\"", targets: 2, "1, 0, 0, 1"),
    // A missing value goes to the false side unless the node says otherwise.
    regressor(one, targets: 1, "0.75, 0.75", values: "nan, 1"),
    regressor(one + ", nodes_missing_value_tracks_true = [1, 0, 0]", targets: 1, "0.25, 0.75", values: "nan, 1"),
  ]

  @Test(arguments: regressors) func regresses(_ test: OperatorCase) throws { try test.check() }

  /// 0.1 + 0.2 in double is not the float nearest to 0.3, and the double threshold is no float.
  @Test func tensorAttributesKeepDoubles() throws {
    let graph = """
      g (double[2, 1] x) => (float[?, ?] y) { y = ai.onnx.ml.TreeEnsembleRegressor<
        nodes_treeids = [7, 7, 7], nodes_nodeids = [3, 1, 2], nodes_featureids = [0, 0, 0],
        nodes_modes = ["BRANCH_LT", "LEAF", "LEAF"], nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0],
        nodes_values_as_tensor = double[3] {0.1000000001, 0, 0}, n_targets = 1, target_treeids = [7, 7],
        target_nodeids = [1, 2], target_ids = [0, 0], target_weights_as_tensor = double[2] {1, 2}> (x) }
      """
    try OperatorCase(graph, ["double[2, 1] {0.10000000005, 0.1000000002}"], ["float[2, 1] {1, 2}"]).check()
  }

  /// Two trees; node 1 tests membership.
  private static func ensemble(_ type: String, _ rest: String) -> String {
    """
    g (\(type)[3, 2] x) => (\(type)[?, ?] y) { y = ai.onnx.ml.TreeEnsemble<
      tree_roots = [0, 2], nodes_featureids = [0, 1, 1], nodes_modes = uint8[3] {0, 6, 4},
      nodes_splits = \(type)[3] {0.5, 0, 2}, membership_values = \(type)[3] {3, 1, nan},
      nodes_trueleafs = [1, 1, 1], nodes_truenodeids = [0, 1, 3], nodes_falseleafs = [0, 1, 1],
      nodes_falsenodeids = [1, 2, 3], leaf_targetids = [0, 1, 0, 1], leaf_weights = \(type)[4] {1, 2, 4, 8},
      n_targets = 2\(rest)> (x) }
    """
  }

  private static let input = "[3, 2] {0, 0, 1, 3, 1, 2}"

  static let ensembles = [
    ("", "1, 8, 0, 10, 4, 8"), (", aggregate_function = 0", "0.5, 4, 0, 5, 2, 4"),
    (", aggregate_function = 2", "1, 8, 0, 2, 4, 8"), (", aggregate_function = 3", "1, 8, 0, 8, 4, 8"),
    (", post_transform = 2", "0.731058579, 0.999664650, 0.5, 0.999954602, 0.982013790, 0.999664650"),
    (
      ", post_transform = 1",
      "0.000911051194, 0.999088949, 0.0000453978687, 0.999954602, 0.0179862100, 0.982013790"
    ),
  ]

  @Test(arguments: ensembles, ["float", "double"])
  func addsUpLeaves(_ test: (rest: String, expected: String), _ type: String) throws {
    try OperatorCase(
      Self.ensemble(type, test.rest), [type + Self.input], ["\(type)[3, 2] {\(test.expected)}"]
    ).check()
  }

  @Test func halfPrecisionEnsembles() throws {
    try OperatorCase(
      Self.ensemble("float16", ""), ["float16" + Self.input], ["float16[3, 2] {1, 8, 0, 10, 4, 8}"]
    ).check()
  }

  /// Many trees over many rows, on all threads: against a walk over the same tables.
  @Test func manyRowsAgreeWithOneRowEach() throws {
    let trees = 40
    var random = UInt64(7)
    func next(_ bound: Int) -> Int {
      random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(random >> 33) % bound
    }
    let splits = (0..<trees * 3).map { _ in Double(next(64)) / 8 }
    let weights = (0..<trees * 4).map { _ in Double(next(1000) - 500) / 64 }
    let features = (0..<trees * 3).map { _ in next(4) }
    func list(_ values: [some CustomStringConvertible]) -> String {
      values.map(\.description).joined(separator: ", ")
    }
    // Node 3t has the children 3t + 1 and 3t + 2, whose leaves are 4t .. 4t + 3.
    let isRoot = (0..<trees * 3).map { $0 % 3 == 0 }
    let graph = """
      g (float[N, 4] x) => (float[?, ?] y) { y = ai.onnx.ml.TreeEnsemble<
        tree_roots = [\(list((0..<trees).map { 3 * $0 }))], nodes_featureids = [\(list(features))],
        nodes_modes = uint8[\(trees * 3)] {\(list(features.map { _ in 0 }))},
        nodes_splits = float[\(trees * 3)] {\(list(splits))},
        nodes_trueleafs = [\(list(isRoot.map { $0 ? 0 : 1 }))], nodes_falseleafs = [\(list(isRoot.map { $0 ? 0 : 1 }))],
        nodes_truenodeids = [\(list((0..<trees * 3).map { isRoot[$0] ? $0 + 1 : $0 / 3 * 4 + ($0 % 3 - 1) * 2 }))],
        nodes_falsenodeids = [\(list((0..<trees * 3).map { isRoot[$0] ? $0 + 2 : $0 / 3 * 4 + ($0 % 3 - 1) * 2 + 1 }))],
        leaf_targetids = [\(list(weights.map { _ in 0 }))], leaf_weights = float[\(trees * 4)] {\(list(weights))},
        n_targets = 1> (x) }
      """
    let rows = 500
    let x = (0..<rows * 4).map { _ in Float(next(64)) / 8 }
    let result = try GraphEvaluator(try ONNXText.parseGraph(graph)).run([.tensor(try .of(x, .float, shape: [rows, 4]))])
    let scores = try #require(result[0].tensor).elements(as: Float.self)
    for row in 0..<rows {
      var sum = 0.0
      for tree in 0..<trees {
        func goesRight(_ node: Int) -> Bool { Double(x[row * 4 + features[node]]) > splits[node] }
        let child = goesRight(3 * tree) ? 2 : 1
        sum += weights[4 * tree + (child - 1) * 2 + (goesRight(3 * tree + child) ? 1 : 0)]
      }
      #expect(abs(Double(scores[row]) - sum) < 1e-3, "row \(row)")
    }
  }
}
