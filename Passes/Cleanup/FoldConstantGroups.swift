import GraphIR
import Operators
import PassKit
import Tensors

/// Computes groups of constant nodes that share their inputs, where the results together are no larger than what goes.
///
/// Before: `Concat(Slice(w, 128..256), Slice(w, 0..128))`: each Slice alone would add its bytes. After: one constant; `w` goes.
public struct FoldConstantGroups: Pass {
  public let name = "FoldConstantGroups"
  public let summary = "computes groups of constant nodes that share their inputs"
  public let level = 1

  public init() {}

  /// Nodes that hang together by constant values, in an order of computation.
  private struct Group {
    var nodes: [NodeID] = []
    var constants: Set<ValueID> = []
  }

  public func run(_ context: PassContext) throws {
    var growth = 0
    for group in groups(context) where group.nodes.count > 1 { try fold(group, &growth, context) }
  }

  private func groups(_ context: PassContext) -> [Group] {
    let graph = context.graph
    var members: Set<NodeID> = []
    var parent: [Int] = []
    var nodes: [NodeID] = []
    var owner: [ValueID: Int] = [:]
    func root(_ index: Int) -> Int {
      var index = index
      while parent[index] != index { index = parent[index] }
      return index
    }
    for id in graph.allNodes where isConstant(id, members, context) {
      members.insert(id)
      let place = nodes.count
      nodes.append(id)
      parent.append(place)
      for case .some(let value) in graph[id].inputs + graph[id].outputs {
        // What is small stays in the file whoever else reads it.
        if let tensor = graph.constant(value), tensor.byteCount <= FoldConstants.smallBytes { continue }
        if let other = owner[value] { parent[root(place)] = root(other) } else { owner[value] = place }
      }
    }
    var groups: [Int: Group] = [:]
    for (place, id) in nodes.enumerated() {
      let top = root(place)
      groups[top, default: Group()].nodes.append(id)
      for case .some(let input) in graph[id].inputs where graph.constant(input) != nil {
        groups[top, default: Group()].constants.insert(input)
      }
    }
    return groups.sorted { $0.key < $1.key }.map(\.value)
  }

  private func isConstant(_ id: NodeID, _ members: Set<NodeID>, _ context: PassContext) -> Bool {
    let node = context.graph[id]
    guard let op = OperatorRegistry[node.operatorName], op.traits.isDisjoint(with: [.random, .controlFlow]),
      !node.is("Constant"), !node.is("ConstantOfShape"), !node.inputs.isEmpty, node.regions.isEmpty,
      !node.outputs.contains(where: { output in output.map { context.graph.isRegionOutput($0) } ?? false })
    else { return false }
    return node.inputs.allSatisfy { input in
      guard let input else { return true }
      return context.graph.constant(input) != nil || context.graph.producer(input).map(members.contains) ?? false
    }
  }

  private func fold(_ group: Group, _ growth: inout Int, _ context: PassContext) throws {
    let graph = context.graph
    let inside = Set(group.nodes)
    func leaves(_ value: ValueID) -> Bool {
      graph[value].uses.contains {
        if case .node(let reader, _) = $0 { !inside.contains(reader) } else { true }
      }
    }
    var added = 0
    var results: [ValueID] = []
    for id in group.nodes {
      for case .some(let output) in graph[id].outputs where leaves(output) {
        guard let shape = context.facts(output).type?.concreteShape, let type = context.dataType(output),
          type != .string, let count = try? Tensor.elementCount(shape), let bytes = type.byteCount(elements: count)
        else { return }
        added += bytes
        results.append(output)
      }
    }
    let removed = group.constants.reduce(0) { $0 + (leaves($1) ? 0 : graph.constant($1)?.byteCount ?? 0) }
    let grown = max(0, added - removed)
    if results.isEmpty { return }
    if added > removed, growth + grown > context.options.foldingGrowth {
      let refusal = Refusal(
        "the results of \(group.nodes.count) constant nodes take \(added) bytes, what goes with them \(removed)")
      return context.refuse(name, at: group.nodes[0], refusal)
    }
    guard (try? MemoryBudget.shared.check(added + removed)) != nil, let values = evaluate(group, context) else {
      return
    }
    growth += grown
    var change = GraphChange(rule: name, covers: group.nodes, region: graph[group.nodes[0]].region)
    for output in results {
      guard let value = values[output] else { return }
      change.replace(output, with: change.constant(value, name: graph[output].name))
    }
    try context.apply(change)
  }

  /// Every value that the group computes; nil where one cannot be computed.
  private func evaluate(_ group: Group, _ context: PassContext) -> [ValueID: Value]? {
    var values: [ValueID: Value] = [:]
    for id in group.nodes {
      let node = context.graph[id]
      let inputs = node.inputs.map { input in
        input.flatMap { values[$0] ?? context.graph.constant($0).map { .tensor($0) } }
      }
      guard let results = try? GraphEvaluator.evaluate(node, inputs: inputs, functions: context.functions) else {
        return nil
      }
      for (output, result) in zip(node.outputs, results) { if let output, let result { values[output] = result } }
    }
    return values
  }
}
