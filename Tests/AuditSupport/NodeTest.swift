import Foundation
public import GraphIR
import ONNXFormat
import Operators
public import Tensors

/// One folder of the ONNX backend's node tests: a model of one operator (or its function body) with data.
public struct NodeTest {
  public let name: String
  public let model: Model
  public let inputs: [Value?]
  /// nil where the folder has no file for the output.
  public let outputs: [Value?]

  /// Names of the folders under `folder` that hold a model and data, sorted.
  public static func names(in folder: String) -> [String] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    return files.filter { FileManager.default.fileExists(atPath: "\(folder)/\($0)/test_data_set_0") }.sorted()
  }

  /// Throws where the model cannot be read; `.unsupported` where an operator in it is not known.
  public init(folder: String, name: String) throws {
    self.name = name
    model = try ONNXImporter.load(path: "\(folder)/\(name)/model.onnx")
    let graph = model.graph
    for id in graph.allNodes {
      let op = graph[id].operatorName
      if OperatorRegistry[op] == nil, model.function(op, overload: graph[id].overload) == nil {
        throw CameoError.unsupported("operator \(op) is not known")
      }
    }
    func read(_ ids: [ValueID], _ stem: String) throws -> [Value?] {
      try ids.enumerated().map { index, id in
        let path = "\(folder)/\(name)/test_data_set_0/\(stem)_\(index).pb"
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        return try ValueFile.read(path: path, as: graph[id].type)
      }
    }
    inputs = try read(graph.inputs, "input")
    outputs = try read(graph.outputs, "output")
  }

  /// The operator of the main region's only node; nil where there are several.
  public var operatorName: OperatorName? {
    let nodes = model.graph.nodes
    return nodes.count == 1 ? model.graph[nodes[0]].operatorName : nil
  }

  /// What makes two tests of one operator different to inference: which inputs, outputs and attributes there are, ranks and
  /// element types.
  public var shapeSignature: String {
    let graph = model.graph
    let nodes = graph.nodes.map { id in
      "\(graph[id].operatorName)\(graph[id].attributes.map(\.name))\(graph[id].inputs.map { $0 != nil })\(graph[id].outputs.count)"
    }
    return nodes.joined() + inputs.map { $0?.tensor.map { "\($0.rank)" } ?? "-" }.joined(separator: ",")
  }
}
