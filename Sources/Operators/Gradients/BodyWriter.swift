import GraphIR
import Tensors

/// A step of the function that is differentiated, in the order in which it is computed.
enum DerivativeStep {
  case node(NodeID)
  /// `output`, of a node that has no rule, is what its body computes as `value`.
  case result(_ output: ValueID, _ value: ValueID)
}

/// Puts function bodies in the place of nodes without a derivative rule: operators that have one, calls of the model's own
/// functions. The nodes themselves stay for who else reads them; what the backward pass does not read of a copy goes again.
struct BodyWriter {
  let functions: [Function]
  /// By `ValueID.index`.
  let facts: [ValueFacts]
  /// The Gradient node, which copies stand for.
  let gradient: NodeID

  /// One level of bodies for the steps that depend on `xs`. False where there was none to write.
  func write(_ steps: inout [DerivativeStep], xs: [ValueID], _ graph: inout Graph) throws -> Bool {
    var dependent = Set(xs)
    var result: [DerivativeStep] = []
    var isWritten = false
    for step in steps {
      switch step {
      case .result(let output, let value):
        if dependent.contains(value) { dependent.insert(output) }
        result.append(step)
      case .node(let id):
        guard GradientExpansion.reads(graph, id).contains(where: dependent.contains) else {
          result.append(step)
          continue
        }
        let outputs = graph[id].outputs.compactMap { $0 }
        dependent.formUnion(outputs)
        guard let copy = try within(graph.describe(id), { try copy(of: graph[id], &graph) }) else {
          result.append(step)
          continue
        }
        isWritten = true
        result += copy.nodes.map { .node($0) }
        for (output, value) in zip(copy.outputs, copy.results) {
          if let output, let value { result.append(.result(output, value)) }
        }
      }
    }
    steps = result
    return isWritten
  }

  /// The body's nodes, and the node's outputs with the values that the body has for them. nil where the node has a rule, or
  /// neither a rule nor a body.
  private func copy(
    of node: Node, _ graph: inout Graph
  ) throws -> (nodes: [NodeID], outputs: [ValueID?], results: [ValueID?])? {
    let region = graph[gradient].region
    let origins = graph[gradient].origins
    if let function = functions.first(where: {
      $0.operatorName == node.operatorName && $0.overload == node.overload
    }) {
      // A function names all of its outputs.
      let body = try function.specialized(for: node)
      let copy = try graph.copy(body, for: node, in: region, origins: origins)
      return (copy.nodes, node.outputs, copy.results)
    }
    guard DerivativeRules[node.operatorName] == nil else { return nil }
    let types = node.inputs.map { input in
      input.flatMap { Int($0.index) < facts.count ? facts[Int($0.index)].type : nil }
    }
    guard let body = try FunctionBody.graph(of: node, inputTypes: types) else { return nil }
    let copy = try graph.copy(body, for: node, in: region, origins: origins)
    return (copy.nodes, node.outputs.filter { $0 != nil }, copy.results)
  }
}
