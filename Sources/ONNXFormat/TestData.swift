package import GraphIR
package import Tensors

/// A `test_data_set_N` folder: inputs and expected outputs by position.
///
/// Throws for a value that the model has no input or output for.
package struct TestData {
  package let inputs: [String: Value]
  /// nil where the folder has no file for the output.
  package let outputs: [Value?]

  package init(folder: String, model: Model) throws {
    let graph = model.graph
    for (kind, count) in [("input", graph.inputs.count), ("output", graph.outputs.count)] {
      let path = "\(folder)/\(kind)_\(count).pb"
      if Folder.exists(path) { throw CameoError.badInput("the model has \(count) \(kind)s").within("file \(path)") }
    }
    var inputs: [String: Value] = [:]
    for (index, input) in graph.inputs.enumerated() {
      let path = "\(folder)/input_\(index).pb"
      guard Folder.exists(path) else { continue }
      inputs[graph[input].name] = try ValueFile.read(path: path, as: graph[input].type)
    }
    self.inputs = inputs
    outputs = try graph.outputs.enumerated().map { index, output in
      let path = "\(folder)/output_\(index).pb"
      return Folder.exists(path) ? try ValueFile.read(path: path, as: graph[output].type) : nil
    }
  }

  /// The `test_data_set_N` folders under `folder`, by number.
  package static func folders(in folder: String) -> [String] {
    (Folder.files(folder) ?? []).filter { $0.hasPrefix("test_data_set_") && Folder.isFolder(folder + "/" + $0) }
      .sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }.map { folder + "/" + $0 }
  }
}
