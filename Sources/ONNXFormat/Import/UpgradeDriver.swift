import GraphIR
import Operators
import Tensors

/// Brings every node to the newest version of its operator and remembers how it stood.
///
/// Operators that are not registered stay as they are: such a node is in the version that the source's opset names.
struct UpgradeDriver {
  /// The opset of each domain that the graph was written for.
  let opsets: [String: Int]
  let functions: [Function]

  func run(on graph: inout Graph) throws {
    let capacity = graph.nodeCapacity
    var waiting: [NodeID] = []
    for id in graph.allNodes where graph[id].isAlive {
      if waitsForRank(graph, id) { waiting.append(id) } else { try upgrade(&graph, id) }
    }
    // Each round may tell the ranks that the next one needs.
    while !waiting.isEmpty {
      try graph.sortTopologically()
      let types = TypeCompletion(completing: &graph, functions: functions)
      let rest = waiting.filter { waitsForRank(graph, $0) }
      let isStuck = rest.count == waiting.count
      let later = Set(isStuck ? [] : rest)
      for id in waiting where !later.contains(id) { try upgrade(&graph, id) }
      types.withdraw(from: &graph)
      if isStuck { break }
      waiting = rest
    }
    if graph.nodeCapacity != capacity { try graph.sortTopologically() }
  }

  /// True where the upgrade is simple once ranks are known and they are not: the flattening Softmax family of opsets before
  /// 13, and the broadcasts that the node states before opset 7. Likewise the element type, for the LabelEncoder of
  /// ai.onnx.ml 1.
  private func waitsForRank(_ graph: Graph, _ id: NodeID) -> Bool {
    let node = graph[id]
    if node.is("LabelEncoder", domain: "ai.onnx.ml"), let opset = opsets[node.domain], opset < 2 {
      return node.input(0).map { graph[$0].type?.dataType == nil } ?? false
    }
    guard node.domain.isEmpty, let opset = opsets[""], opset < 13 else { return false }
    switch node.type {
    case "Softmax", "LogSoftmax", "Hardmax": break
    default: if node["broadcast"] == nil { return false }
    }
    return node.inputs.contains { input in input.map { graph[$0].type?.shape == nil } ?? false }
  }

  private func upgrade(_ graph: inout Graph, _ id: NodeID) throws {
    let name = graph[id].operatorName
    guard let opset = opsets[name.domain],
      let since = SchemaRegistry.sinceVersion(domain: name.domain, name: name.name, opset: opset)
    else { return }
    let isCall = functions.contains { $0.operatorName == name && $0.overload == graph[id].overload }
    if !isCall, let schema = SchemaRegistry.schema(domain: name.domain, name: name.name, opset: opset) {
      try within("\(graph.describe(id)) of opset \(opset)") { try schema.check(structureOf: graph[id]) }
    }
    guard
      let newest = SchemaRegistry.versions(domain: name.domain, name: name.name).last,
      let op = OperatorRegistry[name], since < newest || op.traits.contains(.retired)
    else { return }

    let before = graph[id]
    let place = graph.describe(id)
    let form = SourceForm(
      operatorName: name, attributes: before.attributes, inputs: before.inputs, outputs: before.outputs, opset: opset)
    // One reader of the first output tells which value stands for it afterwards, should the node be replaced.
    let output = before.output(0)
    let reader = output.flatMap { graph[$0].uses.first }
    let firstNew = graph.nodeCapacity
    do {
      try op.upgrade(&graph, id, from: since)
    } catch let error as CameoError {
      throw error.within(place)
    }
    for index in firstNew..<graph.nodeCapacity where graph[NodeID(index)].origins.isEmpty {
      graph.modify(NodeID(index)) { $0.origins = before.origins }
    }
    if graph[id].isAlive {
      if differs(graph[id], form) { graph.setSourceForm(form, of: id) }
      return
    }
    // Replaced: where one new node stands for the only output, it carries the form.
    guard before.outputs.count == 1, before.regions.isEmpty, let reader, let value = read(reader, in: graph),
      let producer = graph.producer(value), Int(producer.index) >= firstNew, graph[producer].outputs.count == 1
    else { return }
    graph.setSourceForm(
      SourceForm(
        operatorName: name, attributes: form.attributes, inputs: form.inputs, outputs: [value], opset: opset),
      of: producer)
    graph.modify(producer) {
      if $0.name.isEmpty { $0.name = before.name }
      if $0.documentation.isEmpty { $0.documentation = before.documentation }
      if $0.metadata.isEmpty { $0.metadata = before.metadata }
    }
  }

  private func read(_ use: Use, in graph: Graph) -> ValueID? {
    switch use {
    case .node(let id, let index): graph[id].input(index)
    case .output(let region, let index): graph[region].outputs[index]
    }
  }

  private func differs(_ node: Node, _ form: SourceForm) -> Bool {
    if node.operatorName != form.operatorName || node.inputs != form.inputs || node.outputs != form.outputs
      || node.attributes.count != form.attributes.count
    {
      return true
    }
    return !zip(node.attributes, form.attributes).allSatisfy {
      $0.name == $1.name && $0.value.isIdentical(to: $1.value)
    }
  }
}
