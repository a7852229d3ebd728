public import GraphIR
import InferenceRuntime
import Tensors

extension Model {
  /// Tells the float model that a calibration belongs to from others, as 16 hexadecimal digits: its operators with their attributes, its
  /// edges by name, types and shapes, and three places of each weight. It withstands chance, not malice.
  public var calibrationFingerprint: String {
    var digest = Digest64()
    func add(_ text: String) {
      var text = text
      text.withUTF8 { digest.add(UnsafeRawBufferPointer($0)) }
    }
    for id in graph.allNodes {
      let node = graph[id]
      add("\(node.operatorName) \(node.overload)")
      for values in [node.inputs, node.outputs] {
        for value in values { add(value.map { graph[$0].name } ?? "") }
        digest.add(values.count)
      }
      for attribute in node.attributes { add("\(attribute.name)=\(attribute.value)") }
    }
    for value in graph.inputs + graph.outputs { add("\(graph[value].name) \(graph[value].type?.description ?? "")") }
    for value in graph.allValues {
      guard graph.producer(value) == nil, let tensor = graph.constant(value) else { continue }
      add("\(graph[value].name) \(tensor)")
      if tensor.dataType == .string {
        tensor.strings.forEach(add)
      } else {
        // A transposed weight is not written out for this.
        for part in tensor.deferredRows ?? [tensor] { part.withUnsafeBytes { digest.sample($0) } }
      }
    }
    let text = String(digest.value, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
}
