import GraphIR
import Tensors
import Testing

@testable import ONNXFormat

/// Models of ai.onnx.ml through import and export: in their own form, and from the dialect back.
@Suite struct MLRoundTripTests {
  /// The model of one opset of ai.onnx.ml as bytes, its nodes as written here.
  private func bytes(_ graph: String, opset: Int) throws -> [UInt8] {
    let text = "<ir_version: 8, opset_import: [\"\": 15, \"ai.onnx.ml\": \(opset)]> \(graph)"
    return try ONNXExporter.serialize(try ONNXText.parseModel(text))
  }

  private func attributes(_ bytes: [UInt8]) throws -> [[String: String]] {
    let model = try ONNXImporter.load(bytes: bytes, options: ImportOptions.asIs)
    return model.graph.nodes.map { id in
      Dictionary(uniqueKeysWithValues: model.graph[id].attributes.map { ($0.name, "\($0.value)") })
    }
  }

  static let models: [(opset: Int, graph: String)] = [
    (
      1,
      "g (string[N] x) => (int64[N] y) { y = ai.onnx.ml.LabelEncoder<classes_strings = [\"a\", \"b\"], default_int64 = -7> (x) }"
    ),
    (1, "g (int64[N] x) => (string[N] y) { y = ai.onnx.ml.LabelEncoder<classes_strings = [\"a\", \"b\"]> (x) }"),
    (
      1,
      "g (string[N] x) => (int64[N] y) { y = ai.onnx.ml.LabelEncoder<classes_strings = [\"a\", \"b\", \"a\"]> (x) }"
    ),
    // The element type comes from inference.
    (
      1,
      """
      g (string[N, 2] x, int64[1] i) => (int64[?, ?] y) {
        h = ai.onnx.ml.ArrayFeatureExtractor (x, i)
        y = ai.onnx.ml.LabelEncoder<classes_strings = ["a", "b"], default_string = "q", default_int64 = 3> (h)
      }
      """
    ),
    (
      2,
      "g (int64[N] x) => (float[N] y) { y = ai.onnx.ml.LabelEncoder<keys_int64s = [1, 2], values_floats = [0.5, 1.5]> (x) }"
    ),
    (
      1,
      """
      g (float[N, 1] x) => (int64[N] y, float[N, 2] z) { y, z = ai.onnx.ml.TreeEnsembleClassifier<
        nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_featureids = [0, 0, 0],
        nodes_modes = ["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0],
        nodes_values = [0.0, 0.0, 0.0], class_treeids = [0, 0], class_nodeids = [1, 2], class_ids = [0, 0],
        class_weights = [0.25, 0.75], classlabels_int64s = [5, 6]> (x) }
      """
    ),
    (
      3,
      """
      g (double[N, 1] x) => (float[N, 1] y) { y = ai.onnx.ml.TreeEnsembleRegressor<
        nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2], nodes_featureids = [0, 0, 0],
        nodes_modes = ["BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0],
        nodes_values_as_tensor = double[3] {0.1, 0, 0}, target_treeids = [0, 0], target_nodeids = [1, 2],
        target_ids = [0, 0], target_weights_as_tensor = double[2] {0.1, 0.2}, n_targets = 1> (x) }
      """
    ),
    (1, "g (float[N, 2] x) => (z) { z = ai.onnx.ml.ZipMap<classlabels_strings = [\"b\", \"a\"]> (x) }"),
  ]

  @Test(arguments: models) func comesBackAsItWas(_ test: (opset: Int, graph: String)) throws {
    let source = try bytes(test.graph, opset: test.opset)
    let model = try ONNXImporter.load(bytes: source)
    let original = try attributes(source)
    #expect(try attributes(ONNXExporter.serialize(model)) == original)
    var options = ExportOptions()
    options.discardSourceForms = true
    let lowered = try ONNXExporter.serialize(model, options: options)
    #expect(try attributes(lowered) == original)
    #expect(try ONNXImporter.load(bytes: lowered).opsets["ai.onnx.ml"] == test.opset)
  }

  @Test func encodersOfTheFirstVersionAreUpgraded() throws {
    for (opset, graph) in Self.models where graph.contains("classes_strings") {
      let model = try ONNXImporter.load(bytes: try bytes(graph, opset: opset))
      for id in model.graph.nodes where model.graph[id].type == "LabelEncoder" {
        #expect(model.graph[id]["classes_strings"] == nil && model.graph[id].attributes.count >= 2, "\(graph)")
      }
    }
  }

  /// ai.onnx.ml 5 has withdrawn the operator; a file that holds it nevertheless is written as it came.
  @Test func withdrawnNodesStandAsTheyCame() throws {
    let node = Proto.node("TreeEnsembleRegressor", ["x"], ["y"]) { node in
      node.text(7, "ai.onnx.ml")
      node.message(5) { attribute in
        attribute.text(1, "n_targets")
        attribute.int(3, 1)
        attribute.int(20, 2)
      }
    }
    let source = Proto.model(Proto.graph(nodes: [node])) { model in
      model.message(8) { opset in
        opset.text(1, "ai.onnx.ml")
        opset.int(2, 5)
      }
    }
    let model = try ONNXImporter.load(bytes: source)
    #expect(try attributes(ONNXExporter.serialize(model)) == attributes(source))
  }
}
