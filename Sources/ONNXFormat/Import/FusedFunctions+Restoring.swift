import GraphIR
import Operators
import Tensors

extension Model {
  /// Functions that an exported file has for bodies of FusedElementwise are such bodies again: each call of a function of ai.cameo
  /// that is one result of standard operators. Passes do the same with more effort. O(nodes).
  package mutating func restoreFusedFunctions() {
    var bodies: [OperatorName: Graph] = [:]
    for function in functions where Self.isFused(function) { bodies[function.operatorName] = function.body }
    if bodies.isEmpty { return }
    var isChanged = false
    for id in graph.allNodes {
      let node = graph[id]
      guard node.overload.isEmpty, let body = bodies[node.operatorName], node.attributes.isEmpty,
        node.outputs.count == 1, node.inputs.count == body.inputs.count, !node.inputs.contains(nil)
      else { continue }
      let region = graph.addRegion(copying: body)
      graph.setOperator(FusedElementwise.operatorName, of: id)
      graph.setAttribute(FusedElementwise.body, of: id, to: .graph(region))
      isChanged = true
    }
    guard isChanged else { return }
    var called: Set<OperatorName> = []
    for body in [graph] + functions.map(\.body) { called.formUnion(body.allNodes.map { body[$0].operatorName }) }
    functions.removeAll { bodies[$0.operatorName] != nil && !called.contains($0.operatorName) }
  }

  private static func isFused(_ function: Function) -> Bool {
    let name = function.operatorName
    let body = function.body
    return name.domain == FusedElementwise.operatorName.domain && function.overload.isEmpty
      && SchemaRegistry.newest(domain: name.domain, name: name.name) == nil && function.attributeNames.isEmpty
      && function.attributeDefaults.isEmpty && body.outputs.count == 1
      && body.allNodes.allSatisfy { body[$0].domain.isEmpty && body[$0].regions.isEmpty }
  }
}
