import GraphIR
import Operators
import Tensors

/// Writes what only Cameo has so that every runtime runs it: the body of a FusedElementwise becomes a function of the domain
/// ai.cameo, the node its call. Equal bodies share one function.
enum FusedFunctions {
  /// O(nodes).
  static func outlined(_ model: Model) throws -> Model {
    let fused = model.graph.allNodes.filter { FusedElementwise.is(model.graph[$0]) }
    if fused.isEmpty { return model }
    var result = model
    var known: [String: OperatorName] = [:]
    var taken = Set(model.functions.map(\.operatorName))
    var count = 0
    for id in fused {
      let node = model.graph[id]
      guard case .graph(let region) = node[FusedElementwise.body], let body = model.graph.standalone(region) else {
        throw CameoError.unsupported("the body reads what is computed outside").within(model.graph.describe(id))
      }
      let key = key(body)
      let name: OperatorName
      if let key, let same = known[key] {
        name = same
      } else {
        var fresh: OperatorName
        repeat {
          count += 1
          fresh = OperatorName("Elementwise\(count)", domain: FusedElementwise.operatorName.domain)
        } while !taken.insert(fresh).inserted || SchemaRegistry.newest(domain: fresh.domain, name: fresh.name) != nil
        result.functions.append(Function(fresh, body: body))
        if let key { known[key] = fresh }
        name = fresh
      }
      result.graph.replace(id, withCallOf: name)
    }
    try result.graph.sortTopologically()
    return result
  }

  /// The same text for bodies that compute the same in the same way; nil where an attribute has no text.
  private static func key(_ body: Graph) -> String? {
    var names: [ValueID: String] = [:]
    for (index, input) in body.inputs.enumerated() { names[input] = "i\(index)" }
    func name(_ value: ValueID?) -> String? {
      guard let value else { return "-" }
      if let known = names[value] { return known }
      guard let tensor = body.constant(value), tensor.dataType != .string else { return nil }
      return "\(tensor)\(tensor.withUnsafeBytes { Array($0) })"
    }
    var text = "\(body.inputs.count)"
    for (index, id) in body.nodes.enumerated() {
      let node = body[id]
      text += ";\(node.operatorName)"
      for input in node.inputs {
        guard let name = name(input) else { return nil }
        text += ",\(name)"
      }
      for attribute in node.attributes.sorted(by: { $0.name < $1.name }) {
        switch attribute.value {
        case .int(let value): text += ",\(attribute.name)=\(value)"
        case .float(let value): text += ",\(attribute.name)=f\(value.bitPattern)"
        case .string(let value): text += ",\(attribute.name)=\(value.debugDescription)"
        case .ints(let values): text += ",\(attribute.name)=\(values)"
        default: return nil
        }
      }
      for (place, output) in node.outputs.enumerated() { if let output { names[output] = "n\(index).\(place)" } }
    }
    for output in body.outputs {
      guard let name = name(output) else { return nil }
      text += ">\(name)"
    }
    return text
  }
}

extension Graph {
  /// Replaces a node of one output by a call of a function with its inputs.
  fileprivate mutating func replace(_ id: NodeID, withCallOf function: OperatorName) {
    let node = self[id]
    guard let output = node.output(0) else { return }
    let result = addValue(name: self[output].name, type: self[output].type, in: node.region)
    let call = addNode(
      function, name: node.name, inputs: node.inputs, outputs: [result], origins: node.origins, in: node.region)
    modify(call) {
      $0.documentation = node.documentation
      $0.metadata = node.metadata
    }
    let info = self[output]
    modify(result) {
      $0.documentation = info.documentation
      $0.metadata = info.metadata
    }
    replaceAllUses(of: output, with: result)
    removeNode(id)
  }
}
