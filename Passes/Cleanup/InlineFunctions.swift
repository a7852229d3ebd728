import GraphIR
import Operators
import PassKit
import Tensors

/// Replaces calls of model-local functions by their bodies, so that every other pass sees through them.
public struct InlineFunctions: Pass {
  public let name = "InlineFunctions"
  public let summary = "replaces calls of model-local functions by their bodies"
  public let level = 1

  public init() {}

  public func run(_ context: PassContext) throws {
    guard !context.functions.isEmpty else { return }
    var work = context.graph.allNodes
    var depth: [NodeID: Int] = [:]
    while let id = work.popLast() {
      guard context.graph[id].isAlive else { continue }
      let node = context.graph[id]
      guard
        let function = context.functions.first(where: {
          $0.operatorName == node.operatorName && $0.overload == node.overload
        })
      else { continue }
      guard depth[id, default: 0] < 64 else { throw CameoError.badInput("functions call each other without end") }
      guard let body = try? function.specialized(for: node), body.allRegions.count == 1 else {
        context.refuse(
          name, at: id, Refusal("the body of \(function.operatorName) has control flow or takes a graph as attribute"))
        continue
      }
      let change = Self.copy(body, for: id, node, rule: name)
      let applied = try context.apply(change)
      for added in applied.added {
        depth[added] = depth[id, default: 0] + 1
        work.append(added)
      }
    }
  }

  /// The change that puts the nodes of `body` in the place of a call. The body has no control flow.
  static func copy(_ body: Graph, for id: NodeID, _ node: Node, rule: String) -> GraphChange {
    var change = GraphChange(rule: rule, covers: [id])
    var values: [ValueID: GraphChange.Ref] = [:]
    for (index, input) in body.inputs.enumerated() {
      if let argument = node.input(index) { values[input] = .existing(argument) }
    }
    for inner in body.nodes {
      let source = body[inner]
      for case .some(let input) in source.inputs where values[input] == nil {
        if let constant = body[input].constant { values[input] = change.constant(constant, name: body[input].name) }
      }
      let label = source.name.isEmpty ? source.output(0).map { body[$0].name } ?? source.type : source.name
      let outputs = change.nodes(
        source.type, domain: source.domain, source.inputs.map { $0.flatMap { values[$0] } }, source.attributes,
        outputs: source.outputs.count, name: node.name.isEmpty ? source.name : "\(node.name)/\(label)")
      for (output, ref) in zip(source.outputs, outputs) { if let output { values[output] = ref } }
    }
    // A function names all of its outputs, the body of an operator those that the call has.
    let called = body.outputs.count == node.outputs.count ? node.outputs : node.outputs.filter { $0 != nil }
    for (output, old) in zip(body.outputs, called) {
      guard let old else { continue }
      if values[output] == nil, let constant = body[output].constant {
        values[output] = change.constant(constant, name: body[output].name)
      }
      if let ref = values[output] {
        let isComputed = body.producer(output) != nil
        change.replace(old, with: isComputed ? ref : change.node("Identity", [ref]))
      }
    }
    return change
  }
}
