import GraphIR
import Operators
import Tensors
import Testing

/// Models of ai.onnx.ml whose attributes contradict each other: an error that says what was expected, never a trap.
@Suite struct MLHostileTests {
  private func expectError(
    _ graph: String, _ inputs: [String], says text: String, _ location: SourceLocation = #_sourceLocation
  ) throws {
    let error = try failure(graph, inputs)
    #expect(error?.kind == .badInput || error?.kind == .limit, "\(graph)", sourceLocation: location)
    #expect(
      error.map { text.isEmpty || $0.reason.contains(text) } ?? false,
      "\(error?.description ?? "no error") for \(text)", sourceLocation: location)
  }

  private static let votes =
    "target_treeids = [0, 0], target_nodeids = [1, 2], target_ids = [0, 0], target_weights = [0.25, 0.75]"

  /// Attributes of a regressor over one stump, some of them replaced.
  private static func stump(_ changes: [String: String], votes: String = votes, targets: Int64 = 1) -> String {
    let plain = [
      ("nodes_treeids", "[0, 0, 0]"), ("nodes_nodeids", "[0, 1, 2]"), ("nodes_featureids", "[0, 0, 0]"),
      ("nodes_modes", "[\"BRANCH_LEQ\", \"LEAF\", \"LEAF\"]"), ("nodes_truenodeids", "[1, 0, 0]"),
      ("nodes_falsenodeids", "[2, 0, 0]"), ("nodes_values", "[0.0, 0.0, 0.0]"),
    ]
    var attributes = plain.map { "\($0.0) = \(changes[$0.0] ?? $0.1)" }
    for (name, value) in changes where !plain.contains(where: { $0.0 == name }) {
      attributes.append("\(name) = \(value)")
    }
    return "g (float[2, 1] x) => (float[?, ?] y) { y = ai.onnx.ml.TreeEnsembleRegressor<"
      + attributes.joined(separator: ", ") + ", n_targets = \(targets), \(votes)> (x) }"
  }

  @Test(arguments: [
    (["nodes_nodeids": "[0, 1]"], "nodes_nodeids has 2 entries, 3 were expected"),
    (["nodes_modes": "[\"LEAF\"]"], "nodes_modes has 1 entries"),
    (["nodes_modes": "[\"BRANCH_XX\", \"LEAF\", \"LEAF\"]"], "nodes_modes holds BRANCH_XX"),
    (["nodes_values": "[0.0]"], "nodes_values has 1 entries"),
    (["nodes_truenodeids": "[9, 0, 0]"], "nodes_truenodeids names node 9, which tree 0 does not have"),
    (["nodes_falsenodeids": "[-1, 0, 0]"], "nodes_falsenodeids names node -1"),
    (["nodes_truenodeids": "[0, 0, 0]"], "cycle"),
    (["nodes_nodeids": "[0, 1, 1]"], "node 1 of tree 0 twice"),
    (["nodes_treeids": "[0, 1, 0]"], "which tree 0 does not have"),
    (["nodes_featureids": "[5, 0, 0]"], "names feature 5, rows have 1 features"),
    (["nodes_featureids": "[-5, 0, 0]"], "nodes_featureids holds -5"),
    (["nodes_featureids": "[9223372036854775807, 0, 0]"], "nodes_featureids holds"),
    (["nodes_missing_value_tracks_true": "[1]"], "nodes_missing_value_tracks_true has 1 entries"),
    (["base_values": "[0.5, 0.5]"], "base_values has 2 entries, none or 1 were expected"),
    (["nodes_values_as_tensor": "double[3] {0, 0, 0}"], "both nodes_values and nodes_values_as_tensor"),
    (["aggregate_function": "\"MEDIAN\""], "AVERAGE, SUM, MIN or MAX was expected"),
    (["post_transform": "\"TANH\""], "NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT was expected"),
  ]) func brokenStumps(_ changes: [String: String], _ text: String) throws {
    try expectError(Self.stump(changes), ["float[2, 1] {-1, 1}"], says: text)
  }

  @Test func brokenVotes() throws {
    for (votes, targets, text) in [
      (
        "target_treeids = [0], target_nodeids = [1, 2], target_ids = [0, 0], target_weights = [0.25, 0.75]", 1,
        "target_treeids has 1 entries, 2 were expected"
      ),
      (
        "target_treeids = [0], target_nodeids = [7], target_ids = [0], target_weights = [0.25]", 1,
        "target_nodeids names node 7"
      ),
      (
        "target_treeids = [0], target_nodeids = [1], target_ids = [3], target_weights = [0.25]", 2,
        "target_ids holds 3, 0 to 1 was expected"
      ),
      (
        "target_treeids = [0], target_nodeids = [1], target_ids = [-1], target_weights = [0.25]", 2,
        "target_ids holds -1"
      ),
      (Self.votes, 0, "n_targets is 0"), (Self.votes, -7, "n_targets is -7"),
      (Self.votes, Int64.max, ""),
    ] as [(String, Int64, String)] {
      try expectError(Self.stump([:], votes: votes, targets: targets), ["float[2, 1] {-1, 1}"], says: text)
    }
    try expectError(Self.stump([:]), ["float[2, 1, 1] {-1, 1}"], says: "[N, F] or [F] was expected")
  }

  /// A tree as deep as it has nodes, and one whose far end leads back to its root.
  @Test func depthIsNoProblem() throws {
    let depth = 20_000
    func list(_ values: [some CustomStringConvertible]) -> String {
      values.map(\.description).joined(separator: ", ")
    }
    func chain(end: Int) -> String {
      """
      g (float[1, 1] x) => (float[?, ?] y) { y = ai.onnx.ml.TreeEnsemble<tree_roots = [0],
        nodes_featureids = [\(list([Int](repeating: 0, count: depth)))],
        nodes_modes = uint8[\(depth)] {\(list([Int](repeating: 0, count: depth)))},
        nodes_splits = float[\(depth)] {\(list([Int](repeating: 0, count: depth)))},
        nodes_trueleafs = [\(list([Int](repeating: 1, count: depth)))],
        nodes_truenodeids = [\(list([Int](repeating: 0, count: depth)))],
        nodes_falseleafs = [\(list([Int](repeating: 0, count: depth - 1))), \(end)],
        nodes_falsenodeids = [\(list((1..<depth).map { $0 })), \(end)],
        leaf_targetids = [0, 0], leaf_weights = float[2] {1, 2}, n_targets = 1> (x) }
      """
    }
    try OperatorCase(chain(end: 1), ["float[1, 1] {1}"], ["float[1, 1] {2}"]).check()
    try expectError(chain(end: 0), ["float[1, 1] {1}"], says: "cycle")
  }

  @Test(arguments: [
    ("tree_roots = [3]", "tree_roots holds 3, 0 to 0 was expected"),
    ("tree_roots = [-1]", "tree_roots holds -1"),
    ("nodes_modes = uint8[1] {9}", "nodes_modes holds 9, 0 to 6 was expected"),
    ("nodes_modes = uint8[1] {6}", "attribute membership_values is missing"),
    ("nodes_splits = float[2] {0, 0}", "nodes_splits has 2 entries, 1 were expected"),
    ("nodes_truenodeids = [4]", "nodes_truenodeids names leaf 4, 0 to 1 was expected"),
    ("nodes_falseleafs = [0]", "nodes_falsenodeids names node 1, 0 to 0 was expected"),
    ("nodes_trueleafs: ints = []", "nodes_trueleafs has 0 entries"),
    ("leaf_weights = float[1] {1}", "leaf_weights has 1 entries, 2 were expected"),
    ("leaf_targetids = [0, 2]", "leaf_targetids holds 2"),
    ("membership_values = float[2] {1, nan}", "membership_values holds 1 sets, 0 were expected"),
    ("aggregate_function = 4", "aggregate_function is 4, 0 to 3 was expected"),
    ("post_transform = 5", "post_transform is 5, 0 to 4 was expected"),
  ]) func brokenEnsembles(_ change: String, _ text: String) throws {
    var attributes = [
      "tree_roots = [0]", "nodes_featureids = [0]", "nodes_modes = uint8[1] {0}", "nodes_splits = float[1] {0}",
      "nodes_trueleafs = [1]", "nodes_truenodeids = [0]", "nodes_falseleafs = [1]", "nodes_falsenodeids = [1]",
      "leaf_targetids = [0, 0]", "leaf_weights = float[2] {1, 2}",
    ]
    let name = change.prefix { $0 != " " && $0 != ":" }
    attributes.removeAll { $0.hasPrefix(name + " ") }
    attributes.append(change)
    try expectError(
      "g (float[1, 1] x) => (float[?, ?] y) { y = ai.onnx.ml.TreeEnsemble<n_targets = 1, \(attributes.joined(separator: ", "))> (x) }",
      ["float[1, 1] {1}"], says: text)
  }

  private static let cases: [(op: String, inputs: [String], says: String)] = [
    ("ArrayFeatureExtractor (x, i)", ["float[1, 2] {1, 2}", "int64[1] {2}"], "index 2 lies outside 2 features"),
    ("ArrayFeatureExtractor (x, i)", ["float[1, 2] {1, 2}", "int64[1] {-1}"], "index -1 lies outside"),
    ("ArrayFeatureExtractor (x, i)", ["float {1}", "int64[1] {0}"], "the input is a scalar"),
    ("Scaler<offset = [1.0, 2.0], scale = [1.0]> (x)", ["float[1, 2] {1, 2}"], "offset has 2 entries and scale 1"),
    ("Scaler<offset = [1.0, 2.0], scale = [1.0, 2.0]> (x)", ["float[1, 3] {1, 2, 3}"], "1 or 3 (features)"),
    ("Normalizer<norm = \"L3\"> (x)", ["float[1, 2] {1, 2}"], "MAX, L1 or L2 was expected"),
    ("Normalizer (x)", ["float[1, 1, 2] {1, 2}"], "[N, F] or [F] was expected"),
    ("Imputer<imputed_value_floats = [1.0, 2.0]> (x)", ["float[1, 3] {1, 2, 3}"], "1 or 3 (features)"),
    ("Imputer<imputed_value_floats = [1.0]> (x)", ["int64[1, 1] {1}"], "imputed_value_int64s has 0 entries"),
    ("Imputer<imputed_value_int64s = [4294967296]> (x)", ["int32[1, 1] {1}"], "outside int32"),
    ("Imputer<imputed_value_int64s = [1], imputed_value_floats = [1.0]> (x)", ["int32[1, 1] {1}"], "both"),
    (
      "FeatureVectorizer<inputdimensions = [1]> (x, i)", ["float[1, 2] {1, 2}", "float[1, 2] {1, 2}"], "2 were expected"
    ),
    ("FeatureVectorizer<inputdimensions = [-1]> (x)", ["float[1, 2] {1, 2}"], "0 or more was expected"),
    ("FeatureVectorizer<inputdimensions = [9223372036854775807]> (x)", ["float[1, 2] {1, 2}"], ""),
    ("FeatureVectorizer (x, i)", ["float[1, 2] {1, 2}", "float[2, 1] {1, 2}"], "rows"),
    (
      "CategoryMapper<cats_int64s = [1], cats_strings: strings = []> (x)", ["int64[1] {1}"],
      "1 entries and cats_strings 0"
    ),
    ("CategoryMapper<cats_int64s = [1], cats_strings = [\"a\"]> (x)", ["float[1] {1}"], "must be int64 or string"),
    ("OneHotEncoder<cats_int64s = [1], zeros = 0> (x)", ["int64[1] {2}"], "2 is of no category"),
    ("OneHotEncoder<cats_int64s = [1]> (x)", ["string[1] {\"a\"}"], "numbers were expected"),
    ("OneHotEncoder (x)", ["int64[1] {2}"], "one of them was expected"),
    ("LabelEncoder<keys_int64s = [1, 2], values_int64s = [1]> (x)", ["int64[1] {2}"], "2 keys and 1 values"),
    (
      "LabelEncoder<keys_int64s = [1], keys_floats = [1.0], values_int64s = [1]> (x)", ["int64[1] {2}"],
      "2 attributes keys_*"
    ),
    ("LabelEncoder<keys_int64s = [1], values_int64s = [1]> (x)", ["float[1] {2}"], "int64 was expected: the keys are"),
    (
      "LabelEncoder<keys_int64s = [1], values_int64s = [1], default_tensor = float[1] {1}> (x)", ["int64[1] {2}"],
      "one element of int64"
    ),
    ("LinearRegressor<coefficients = [1.0, 2.0, 3.0], targets = 2> (x)", ["float[1, 2] {1, 2}"], "2 times 2 features"),
    ("LinearRegressor<coefficients = [1.0], targets = 0> (x)", ["float[1, 2] {1, 2}"], "targets is 0"),
    ("LinearRegressor<coefficients = [1.0], targets = 9223372036854775807> (x)", ["float[1, 2] {1, 2}"], ""),
    (
      "LinearRegressor<coefficients = [1.0, 2.0], intercepts = [1.0, 2.0]> (x)", ["float[1, 2] {1, 2}"],
      "none or 1 were expected"
    ),
    (
      "SVMRegressor<coefficients = [1.0], n_supports = 1, support_vectors = [1.0], rho = [0.0]> (x)",
      ["float[1, 2] {1, 2}"], "1 vectors of 2 features"
    ),
    (
      "SVMRegressor<coefficients = [1.0], n_supports = -1, rho = [0.0]> (x)", ["float[1, 1] {1}"],
      "coefficients has 1 entries"
    ),
    ("SVMRegressor<coefficients = [1.0, 1.0]> (x)", ["float[1, 2] {1, 2}"], "rho is empty"),
    ("SVMRegressor<coefficients = [1.0, 1.0], rho = [0.0], kernel_params = [1.0]> (x)", ["float[1, 2] {1, 2}"], ""),
  ]

  @Test(arguments: cases) func refuses(_ test: (op: String, inputs: [String], says: String)) throws {
    let inputs = ["x", "i"].prefix(test.inputs.count).joined(separator: ", ")
    try expectError("g (\(inputs)) => (y) { y = ai.onnx.ml.\(test.op) }", test.inputs, says: test.says)
  }

  @Test(arguments: [
    ("LinearClassifier<coefficients = [1.0, 2.0, 3.0], intercepts = [1.0]>", "1 times 2 features"),
    ("LinearClassifier<coefficients = [1.0, 2.0], classlabels_ints = [1, 2, 3]>", "3 class labels for 1 scores"),
    ("LinearClassifier<coefficients = [1.0, 2.0], classlabels_ints = [1]>", "two were expected"),
    ("LinearClassifier<coefficients = [1.0, 2.0], classlabels_ints = [1], classlabels_strings = [\"a\"]>", "both"),
    ("SVMClassifier<coefficients = [1.0, 2.0], rho = [0.0]>", "one of them was expected"),
    ("SVMClassifier<coefficients = [1.0], rho = [0.0], classlabels_ints = [1, 2]>", "a multiple of 2"),
    (
      "SVMClassifier<coefficients = [1.0], rho = [0.0], vectors_per_class = [1, -1], classlabels_ints = [1, 2]>",
      "vectors_per_class holds -1"
    ),
    (
      "SVMClassifier<coefficients = [1.0], rho = [0.0], vectors_per_class = [9223372036854775807, 1], classlabels_ints = [1, 2]>",
      "vectors_per_class holds 1"
    ),
    (
      "SVMClassifier<coefficients = [1.0], rho = [0.0], vectors_per_class = [4611686018427387904, 1], classlabels_ints = [1, 2]>",
      "support_vectors has 0 entries"
    ),
    (
      "SVMClassifier<coefficients = [1.0, 1.0], rho: floats = [], vectors_per_class = [1, 1], support_vectors = [1.0, 1.0, 1.0, 1.0], classlabels_ints = [1, 2]>",
      "rho has 0 entries"
    ),
    (
      "SVMClassifier<coefficients = [1.0, 1.0], rho = [0.0], prob_a = [1.0], vectors_per_class = [1, 1], support_vectors = [1.0, 1.0, 1.0, 1.0], classlabels_ints = [1, 2]>",
      "prob_a and prob_b have 1 and 0 entries"
    ),
    (
      "SVMClassifier<coefficients = [1.0], rho = [0.0], vectors_per_class = [1], support_vectors = [1.0, 1.0], classlabels_ints = [1]>",
      "2 to 65535 were expected"
    ),
    (
      "TreeEnsembleClassifier<classlabels_int64s = [1, 2], base_values = [1.0, 2.0, 3.0]>",
      "base_values has 3 entries"
    ),
    ("TreeEnsembleClassifier<>", "one of them was expected"),
  ]) func refusesClassifiers(_ op: String, _ text: String) throws {
    try expectError("g (x) => (y, z) { y, z = ai.onnx.ml.\(op) (x) }", ["float[1, 2] {1, 2}"], says: text)
  }
}
