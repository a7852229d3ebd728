import GraphIR
import Tensors

/// Steps between versions that several operators of neural networks share.
enum NNVersions {
  /// A float attribute that became an int. Throws `.unsupported` where it is no integer.
  static func floatToInt(_ name: String, of node: NodeID, in graph: inout Graph) throws {
    guard case .float(let value) = graph[node][name] else { return }
    guard let whole = Int64(exactly: value) else { throw CameoError.unsupported("attribute \(name) is \(value)") }
    graph.setAttribute(name, of: node, to: .int(whole))
  }

  static func intToFloat(_ name: String, of node: NodeID, in graph: inout Graph) {
    guard case .int(let value) = graph[node][name] else { return }
    graph.setAttribute(name, of: node, to: .float(Float(value)))
  }
}

extension NNVersions {
  /// Before opset 13 scales were of the whole tensor and there was no axis, which means nothing for one scale.
  static func dropAxisOfScalar(of node: NodeID, in graph: inout Graph, version: Int) throws {
    guard version < 13, graph[node]["axis"] != nil else { return }
    let count = graph[node].input(1).flatMap { graph[$0].type?.concreteShape }?.reduce(1, *)
    guard count == 1 else { throw CameoError.unsupported("a scale per axis before opset 13") }
    graph.setAttribute("axis", of: node, to: nil)
  }
}
