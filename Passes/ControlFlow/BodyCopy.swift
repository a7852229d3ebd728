import GraphIR
import Operators
import PassKit
import Tensors

/// Writes a body's nodes into a change, once for each run of it.
struct BodyCopy {
  let region: RegionID
  let nodes: [NodeID]
  let inputs: [ValueID]
  let outputs: [ValueID]
  private let graph: Graph

  /// Throws a `Refusal` where the body holds control flow of its own.
  /// Nodes that only outputs before `firstOutput` need are left out.
  init(_ region: RegionID, from firstOutput: Int, _ context: PassContext) throws {
    let graph = context.graph
    self.graph = graph
    self.region = region
    var live: Set<NodeID> = []
    var work = graph[region].outputs.dropFirst(firstOutput).compactMap { graph.producer($0) }
    while let id = work.popLast() {
      guard graph[id].region == region, live.insert(id).inserted else { continue }
      work += graph.dependencies(of: id)
    }
    nodes = graph.nodes(in: region).filter(live.contains)
    inputs = graph[region].inputs
    outputs = graph[region].outputs
    for id in nodes where !graph[id].regions.isEmpty {
      throw Refusal("the body holds a \(graph[id].type) of its own", at: id)
    }
    for id in nodes where OperatorRegistry[graph[id].operatorName]?.traits.contains(.random) ?? false {
      throw Refusal("the body draws random numbers", at: id)
    }
  }

  /// Nodes of the body that do more than hand a value on.
  var cost: Int { nodes.filter { !graph[$0].is("Identity") }.count }

  /// One run with `arguments` for the body's inputs. The results can be what the arguments are, where the body hands them on.
  func write(_ arguments: [GraphChange.Ref?], to change: inout GraphChange, isFirst: Bool) -> [GraphChange.Ref?] {
    var values: [ValueID: GraphChange.Ref] = [:]
    for (input, argument) in zip(inputs, arguments) { values[input] = argument }
    func resolve(_ value: ValueID) -> GraphChange.Ref {
      if let known = values[value] { return known }
      // A constant of the body's own scope dies with it.
      if graph[value].region == region, let constant = graph[value].constant, graph[value].isConstant {
        let copy = change.constant(constant, name: graph[value].name)
        values[value] = copy
        return copy
      }
      return .existing(value)
    }
    for id in nodes {
      let node = graph[id]
      if node.is("Identity"), let input = node.input(0), let output = node.output(0) {
        values[output] = resolve(input)
        continue
      }
      let refs = change.nodes(
        node.type, domain: node.domain, node.inputs.map { $0.map(resolve) }, node.attributes,
        outputs: node.outputs.count, name: node.name, covers: isFirst ? [id] : [])
      for (output, ref) in zip(node.outputs, refs) { if let output { values[output] = ref } }
    }
    return outputs.map(resolve)
  }

  /// True where the output is the same true in each run that began with a true input `condition`.
  func staysTrue(_ output: Int, condition: ValueID?, _ context: PassContext) -> Bool {
    guard outputs.indices.contains(output) else { return false }
    var value = outputs[output]
    while let producer = graph.producer(value), graph[producer].is("Identity"), let input = graph[producer].input(0) {
      value = input
    }
    if value == condition { return true }
    return context.uniform(value).map { $0 != 0 } ?? false
  }
}

extension GraphChange {
  /// Replaces what a node of control flow gives. A value that no new node computes is handed on by an Identity.
  mutating func finish(_ outputs: [ValueID?], with results: [Ref?]) {
    for (output, result) in zip(outputs, results) {
      guard let output, let result else { continue }
      replace(output, with: result)
    }
  }
}
