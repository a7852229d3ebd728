import GraphIR
import Operators
import Tensors
import Testing

@testable import ONNXFormat

/// What an older opset has no attribute for is said by other nodes: written in that opset and read again, the model gives the
/// same numbers. (onnx.checker takes these files, and ONNX Runtime 1.31 computes the same.)
@Suite struct DecompositionTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let graph: String
    let inputs: [String]
    let opsets: [Int]
    var testDescription: String { graph }

    init(_ opsets: [Int], _ graph: String, _ inputs: String...) {
      (self.graph, self.inputs, self.opsets) = (graph, inputs, opsets)
    }
  }

  private static func run(_ graph: Graph, _ inputs: [String]) throws -> [Tensor] {
    let values = try inputs.map { Value.tensor(try ONNXText.parseTensor($0)) }
    return try GraphEvaluator(graph).run(values).map { try #require($0.tensor) }
  }

  private static func model(_ graph: String) throws -> Model {
    var model = Model(graph: try ONNXText.parseGraph(graph))
    model.opsets = ["": 28]
    return model
  }

  private static func written(_ model: Model, opset: Int) throws -> Model {
    var options = ExportOptions(opset: opset)
    options.discardSourceForms = true
    return try ONNXImporter.load(bytes: try ONNXExporter.serialize(model, options: options), options: .asIs)
  }

  private static func check(_ test: Case) throws {
    let model = try model(test.graph)
    let expected = try run(model.graph, test.inputs)
    for opset in test.opsets {
      var graph = try written(model, opset: opset).graph
      try UpgradeDriver(opsets: ["": opset], functions: []).run(on: &graph)
      let found = try run(graph, test.inputs)
      #expect(found.count == expected.count)
      for (a, b) in zip(expected, found) {
        #expect(OperatorAgreement.agree(a, b), "opset \(opset): \(b.text) instead of \(a.text)")
      }
    }
  }

  // MARK: ArgMax and ArgMin

  static let lastIndices = [
    Case(
      [1, 5, 7, 9, 11], "g (float[2, 4] x) => (y) { y = ArgMax<axis = 1, select_last_index = 1> (x) }",
      "float[2, 4] {3, 1, 3, 2, 5, 5, 5, 5}"),
    Case(
      [1, 8, 11], "g (float[2, 3] x) => (y) { y = ArgMin<axis = -1, keepdims = 0, select_last_index = 1> (x) }",
      "float[2, 3] {1, nan, nan, 0, 4, 0}"),
    Case(
      [1, 10, 11], "g (int32[3, 2] x) => (y) { y = ArgMax<select_last_index = 1> (x) }",
      "int32[3, 2] {7, 1, 2, 1, 7, 0}"),
    // The length comes with the run.
    Case(
      [9, 10, 11], "g (float[N, M] x) => (y) { y = ArgMax<axis = 1, select_last_index = 1> (x) }",
      "float[2, 4] {3, 1, 3, 2, 5, 5, 5, 5}"),
    Case(
      [9, 11], "g (float[N, M] x) => (y) { y = ArgMin<axis = -2, keepdims = 0, select_last_index = 1> (x) }",
      "float[3, 2] {1, 2, 1, 2, 4, 2}"),
    Case([1, 11], "g (float x) => (y) { y = ArgMax<select_last_index = 1> (x) }", "float {3}"),
  ]

  @Test(arguments: lastIndices) func theLastOfEqualsIsTheFirstFromTheEnd(_ test: Case) throws { try Self.check(test) }

  // MARK: DepthToSpace and SpaceToDepth

  private static let sixteen = (0..<32).map(String.init).joined(separator: ", ")

  static let blocks = ["1, 8, 2, 2", "N, 8, H, 2", "N, C, 2, 2", "N, C, H, W", "?, 8, ?, ?"].map { shape in
    Case(
      [1, 5, 10], "g (float[\(shape)] x) => (y) { y = DepthToSpace<blocksize = 2, mode = \"CRD\"> (x) }",
      "float[1, 8, 2, 2] {\(sixteen)}")
  }

  static let spaces = ["2, 1, 4, 4", "N, 1, H, 4", "N, C, 4, 4", "N, C, H, W"].map { shape in
    Case(
      [1, 5, 12, 27], "g (float[\(shape)] x) => (y) { y = SpaceToDepth<blocksize = 2, mode = \"CRD\"> (x) }",
      "float[2, 1, 4, 4] {\(sixteen)}")
  }

  static let emptyBlocks = [
    Case(
      [5, 10], "g (int8[0, 4, 1, 1] x) => (y) { y = DepthToSpace<blocksize = 2, mode = \"CRD\"> (x) }",
      "int8[0, 4, 1, 1] {}"),
    Case(
      [5, 10], "g (int8[1, 4, 0, 1] x) => (y) { y = DepthToSpace<blocksize = 2, mode = \"CRD\"> (x) }",
      "int8[1, 4, 0, 1] {}"),
    Case(
      [5, 27], "g (int8[1, 0, 2, 2] x) => (y) { y = SpaceToDepth<blocksize = 2, mode = \"CRD\"> (x) }",
      "int8[1, 0, 2, 2] {}"),
  ]

  @Test(arguments: blocks + spaces + emptyBlocks) func blocksMoveByTransposing(_ test: Case) throws {
    try Self.check(test)
  }

  // MARK: Pooling

  private static let plane = "float[1, 1, 5, 4] {3, -1, 4, 1, -5, 9, 2, 6, 5, -3, 5, 8, 9, -7, 9, 3, 2, 3, -8, 4}"

  private static func pool(_ op: String, _ attributes: String, _ shape: String, _ opsets: [Int], _ input: String? = nil)
    -> Case
  {
    Case(opsets, "g (float[\(shape)] x) => (y) { y = \(op)<\(attributes)> (x) }", input ?? plane)
  }

  static let counted = [
    "kernel_shape = [3, 2], pads = [1, 0, 2, 1], strides = [2, 1], count_include_pad = 1",
    "kernel_shape = [3, 3], auto_pad = \"SAME_UPPER\", strides = [2, 2], count_include_pad = 1",
    "kernel_shape = [2, 3], auto_pad = \"SAME_LOWER\", strides = [2, 3], count_include_pad = 1",
    "kernel_shape = [3, 3], auto_pad = \"VALID\", ceil_mode = 1, count_include_pad = 1",
    "kernel_shape = [3, 3], count_include_pad = 1",
    "kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [3, 2], ceil_mode = 1, count_include_pad = 1",
    "kernel_shape = [2, 3], strides = [3, 2], ceil_mode = 1, count_include_pad = 1, dilations = [1, 1]",
    "kernel_shape = [2, 2], pads = [0, 0, 1, 1], strides = [2, 3], ceil_mode = 1, count_include_pad = 1",
  ].map { pool("AveragePool", $0, "1, 1, 5, 4", [1, 2, 6, 7, 9]) }

  static let countedOfOpenSize = [
    "kernel_shape = [3, 2], pads = [1, 0, 2, 1], strides = [2, 1], count_include_pad = 1",
    "kernel_shape = [3, 3], auto_pad = \"SAME_UPPER\", count_include_pad = 1",
    "kernel_shape = [3, 2], strides = [2, 2], ceil_mode = 1, count_include_pad = 1",
    "kernel_shape = [3, 3], pads = [1, 1, 1, 1], strides = [2, 2], ceil_mode = 1, count_include_pad = 1",
  ].map { pool("AveragePool", $0, "N, 1, H, W", [1, 6, 7, 9]) }

  static let rounded = ["MaxPool", "AveragePool", "LpPool"].flatMap { op in
    [
      "kernel_shape = [2, 3], strides = [2, 2], ceil_mode = 1",
      "kernel_shape = [3, 2], strides = [3, 3], pads = [1, 1, 1, 0], ceil_mode = 1",
      // The second axis: a window that would start in the padding is left out.
      "kernel_shape = [2, 1], strides = [2, 3], pads = [0, 0, 1, 0], ceil_mode = 1",
      "kernel_shape = [3, 3], strides = [2, 2], auto_pad = \"SAME_UPPER\", ceil_mode = 1, dilations = [1, 1]",
    ].map { pool(op, $0, "1, 1, 5, 4", [1, 7, 8, 9]) }
  }

  static let roundedOfOpenSize = ["MaxPool", "AveragePool"].flatMap { op in
    [
      pool(op, "kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1", "N, C, H, W", [1, 8, 9]),
      pool(op, "kernel_shape = [3, 3], strides = [2, 1], pads = [1, 1, 1, 1], ceil_mode = 1", "N, C, H, W", [1, 9]),
      pool(
        op, "kernel_shape = [3], strides = [2], ceil_mode = 1", "1, 2, L", [1, 9],
        "float[1, 2, 6] {1, 5, 2, 8, 3, 9, 4, 4, 0, 7, 6, 1}"),
    ]
  }

  @Test(arguments: counted + countedOfOpenSize) func countedPaddingBecomesZeros(_ test: Case) throws {
    try Self.check(test)
  }

  @Test(arguments: rounded + roundedOfOpenSize) func roundingUpBecomesPadding(_ test: Case) throws {
    try Self.check(test)
  }

  @Test func indicesStayThoseOfTheInput() throws {
    try Self.check(
      Case(
        [8, 9],
        "g (float[1, 1, 5, 4] x) => (y, i) { y, i = MaxPool<kernel_shape = [2, 3], strides = [2, 2], ceil_mode = 1> (x) }",
        Self.plane))
  }

  // MARK: What cannot be said

  @Test(arguments: [
    (8, "g (float[N, M] x) => (y) { y = ArgMax<axis = 1, select_last_index = 1> (x) }", "ConstantOfShape"),
    (11, "g (bfloat16[2] x) => (y) { y = ArgMax<select_last_index = 1> (x) }", "bfloat16"),
    (4, "g (int8[1, 4, 1, 1] x) => (y) { y = DepthToSpace<blocksize = 2, mode = \"CRD\"> (x) }", "int8"),
    (
      9, "g (float[1, 1, H, 4] x) => (y) { y = MaxPool<kernel_shape = [1, 1], strides = [2, 2], ceil_mode = 1> (x) }",
      "axis 2"
    ),
    (
      6,
      "g (float[1, 1, 4, W] x) => (y) { y = AveragePool<kernel_shape = [2, 2], strides = [2, 2], auto_pad = \"SAME_UPPER\", count_include_pad = 1> (x) }",
      "axis 3"
    ),
  ]) func theReasonIsSaid(_ opset: Int, _ graph: String, _ reason: String) throws {
    let error = #expect(throws: CameoError.self) { try Self.written(try Self.model(graph), opset: opset) }
    #expect(error?.kind == .unsupported)
    #expect(error?.description.contains(reason) == true, "\(String(describing: error))")
  }

  // MARK: Trees

  private static func trees(_ type: String, _ rest: String = "") -> String {
    """
    g (\(type)[N, 2] x) => (y) { y = ai.onnx.ml.TreeEnsemble<
      tree_roots = [0, 2], nodes_featureids = [0, 1, 1], nodes_modes = uint8[3] {0, 6, 4},
      nodes_splits = \(type)[3] {0.5, 0, 2}, membership_values = \(type)[4] {3, 1, 7, nan},
      nodes_trueleafs = [1, 1, 1], nodes_truenodeids = [0, 1, 3], nodes_falseleafs = [0, 1, 1],
      nodes_falsenodeids = [1, 2, 3], leaf_targetids = [0, 1, 0, 1], leaf_weights = \(type)[4] {1, 2, 4, 8},
      n_targets = 2\(rest)> (x) }
    """
  }

  private static func ensemble(_ graph: String, opset: Int) throws -> Model {
    var model = Model(graph: try ONNXText.parseGraph(graph))
    model.opsets = ["": 15, "ai.onnx.ml": opset]
    return try ONNXImporter.load(bytes: try ONNXExporter.serialize(model), options: .asIs)
  }

  @Test(
    arguments: [
      "", ", aggregate_function = 0", ", aggregate_function = 2", ", aggregate_function = 3", ", post_transform = 1",
      ", post_transform = 2, nodes_missing_value_tracks_true = [1, 1, 0]",
    ], ["float", "float16"]) func ensemblesBecomeRegressors(_ rest: String, _ type: String) throws
  {
    let rows = "\(type)[6, 2] " + "{0, 0, 1, 3, 1, 2, 1, 7, nan, 1, 1, nan}"
    let expected = try Self.run(try ONNXText.parseGraph(Self.trees(type, rest)), [rows])[0]
    for opset in [1, 3, 4] {
      let model = try Self.ensemble(Self.trees(type, rest), opset: opset)
      #expect(model.opsets["ai.onnx.ml"] == opset)
      #expect(model.graph.nodes.contains { model.graph[$0].type == "TreeEnsembleRegressor" })
      #expect(!model.graph.nodes.contains { model.graph[$0].type == "TreeEnsemble" })
      let found = try Self.run(model.graph, [rows])[0]
      #expect(OperatorAgreement.agree(expected, found), "\(opset): \(found.text)")
    }
  }

  /// Every mode, and a tree of three levels whose leaves are named from several sides.
  @Test func everyModeOfANodeIsWritten() throws {
    for mode in 0..<6 {
      let graph = """
        g (float[N, 1] x) => (y) { y = ai.onnx.ml.TreeEnsemble<
          tree_roots = [0], nodes_featureids = [0, 0, 0], nodes_modes = uint8[3] {\(mode), 1, 2},
          nodes_splits = float[3] {1, 0.5, 2}, nodes_trueleafs = [0, 1, 1], nodes_truenodeids = [1, 0, 2],
          nodes_falseleafs = [0, 1, 1], nodes_falsenodeids = [2, 1, 0], leaf_targetids = [0, 0, 0],
          leaf_weights = float[3] {1, 2, 4}, n_targets = 1> (x) }
        """
      let rows = "float[5, 1] {0, 0.75, 1, 1.5, 2.5}"
      let expected = try Self.run(try ONNXText.parseGraph(graph), [rows])[0]
      let found = try Self.run(try Self.ensemble(graph, opset: 3).graph, [rows])[0]
      #expect(OperatorAgreement.agree(expected, found), "mode \(mode): \(found.text)")
    }
  }

  @Test func doublesStayWithTheNewerEnsemble() throws {
    let error = #expect(throws: CameoError.self) { try Self.ensemble(Self.trees("double"), opset: 3) }
    #expect(error?.kind == .unsupported)
    #expect(error?.description.contains("double") == true)
  }

  /// A chain of membership tests whose both sides go on to the next: twice as many branches a level.
  @Test func sharedBranchesAreNotWrittenWithoutEnd() throws {
    let levels = 40
    func list(_ values: [Int]) -> String { values.map(String.init).joined(separator: ", ") }
    let next = (0..<levels).map { $0 + 1 == levels ? 0 : $0 + 1 }
    let isLeaf = (0..<levels).map { $0 + 1 == levels ? 1 : 0 }
    let graph = """
      g (float[N, 1] x) => (y) { y = ai.onnx.ml.TreeEnsemble<
        tree_roots = [0], nodes_featureids = [\(list([Int](repeating: 0, count: levels)))],
        nodes_modes = uint8[\(levels)] {\(list([Int](repeating: 0, count: levels)))},
        nodes_splits = float[\(levels)] {\(list(Array(0..<levels)))},
        nodes_trueleafs = [\(list(isLeaf))], nodes_truenodeids = [\(list(next))],
        nodes_falseleafs = [\(list(isLeaf))], nodes_falsenodeids = [\(list(next))],
        leaf_targetids = [0], leaf_weights = float[1] {1}, n_targets = 1> (x) }
      """
    let error = #expect(throws: CameoError.self) { try Self.ensemble(graph, opset: 3) }
    #expect(error?.kind == .unsupported)
    #expect(error?.description.contains("BRANCH_MEMBER") == true)
  }
}

/// Equal shapes and types, and numbers to six digits; NaN is itself.
enum OperatorAgreement {
  static func agree(_ a: Tensor, _ b: Tensor) -> Bool {
    guard a.dataType == b.dataType, a.shape == b.shape, let x = try? a.elements(as: Double.self),
      let y = try? b.elements(as: Double.self)
    else { return false }
    return zip(x, y).allSatisfy { $0 == $1 || $0.isNaN && $1.isNaN || abs($0 - $1) <= 1e-6 * max(1, abs($0)) }
  }
}

extension Tensor {
  fileprivate var text: String { "\(self) \((try? elements(as: Double.self)) ?? [])" }
}
