import GraphIR
import Operators
import Tensors

/// Brings a copy of a graph to given opsets: untouched nodes go back to their source form where that form is still the
/// published one, the others are lowered and held against the older signature.
struct LoweringDriver {
  let model: Model
  /// The opsets that the graph came from; nodes without a registered operator are in these.
  let source: [String: Int]
  /// The opsets to reach. Domains that are missing are added as they turn up.
  private(set) var target: [String: Int]
  let discardSourceForms: Bool
  /// How far the opset of the standard domain may rise; nil where it is given. A node that no opset up to here can say may become its
  /// function body, for others the opset has to rise first.
  let limit: Int?

  init(model: Model, source: [String: Int], target: [String: Int], discardSourceForms: Bool, limit: Int?) {
    self.limit = limit
    self.model = model
    self.source = source
    self.target = target
    self.discardSourceForms = discardSourceForms
  }

  /// The lowered copy. Throws `.unsupported` naming node, operator and opset.
  mutating func lower(_ original: Graph) throws -> Graph {
    var graph = original
    var isChanged = false
    var isRestored = [Bool](repeating: false, count: original.nodeCapacity)
    for id in original.allNodes where restoreSourceForm(&graph, id) {
      isRestored[Int(id.index)] = true
      isChanged = true
    }
    // Helpers that an upgrade made for a node which is written as it came go before anybody tries to lower them.
    if isChanged {
      try graph.sortTopologically()
      dropLeftovers(&graph, original)
    }
    for id in graph.allNodes where graph[id].isAlive {
      do {
        if try lower(&graph, id, isRestored: isRestored[Int(id.index)], depth: 0) { isChanged = true }
      } catch let error as CameoError {
        throw error.within(graph.describe(id))
      }
    }
    if isChanged {
      try graph.sortTopologically()
      dropLeftovers(&graph, original)
      try graph.sortTopologically()
    }
    dropConstants(&graph, original)
    return graph
  }

  // MARK: One node

  /// True where the node changed.
  private mutating func lower(_ graph: inout Graph, _ id: NodeID, isRestored: Bool, depth: Int) throws -> Bool {
    let name = graph[id].operatorName
    if model.function(name, overload: graph[id].overload) != nil {
      if target[name.domain] == nil { target[name.domain] = 1 }
      return false
    }
    if target[name.domain] == nil { target[name.domain] = newDomainOpset(name.domain) }
    let opset = target[name.domain] ?? 1
    if isRestored { return false }

    let versions = SchemaRegistry.versions(domain: name.domain, name: name.name)
    // Nothing is published about it: it stands as it came.
    guard let newest = versions.last else { return false }
    guard let since = versions.last(where: { $0 <= opset }),
      let schema = SchemaRegistry.schema(domain: name.domain, name: name.name, opset: since)
    else {
      var missing = CameoError.unsupported("operator \(name) is not in opset \(opset); it came with \(versions[0])")
      let before = graph[id]
      do {
        if try replace(&graph, id, opset, depth) { return true }
      } catch let error as CameoError where error.kind == .unsupported {
        missing = error
        guard undo(&graph, id, before) else { throw missing }
      }
      guard try expand(&graph, id, because: missing, depth) else { throw missing }
      return true
    }
    guard let op = OperatorRegistry[name] else {
      let written = graph[id].origins.isEmpty ? newest : versions.last { $0 <= source[name.domain] ?? newest } ?? newest
      if written == since { return false }
      guard saysTheSame(name, written, since) else {
        throw CameoError.unsupported(
          "operator \(name) cannot be converted from its version \(written) to \(since), which opset \(opset) has")
      }
      try fit(&graph, id, to: schema, opset)
      return true
    }
    if schema.isDeprecated {
      // A node that the source's own opset has withdrawn stands as it came.
      if !graph[id].origins.isEmpty, source[name.domain] == opset { return false }
      let withdrawn = CameoError.unsupported("operator \(name) is withdrawn in opset \(opset)")
      guard try expand(&graph, id, because: withdrawn, depth) else { throw withdrawn }
      return true
    }
    if since == newest { return false }

    let firstNew = graph.nodeCapacity
    let before = graph[id]
    do {
      try op.lower(&graph, id, to: since)
      if graph[id].isAlive && graph[id].operatorName == name { try fit(&graph, id, to: schema, opset) }
    } catch let error as CameoError {
      let located = CameoError(error.kind, "\(error.reason) (opset \(opset))", path: error.path)
      guard error.kind == .unsupported, undo(&graph, id, before),
        try expand(&graph, id, because: located, depth)
      else { throw located }
      return true
    }
    try lowerNew(&graph, from: firstNew, of: name, opset, depth)
    return true
  }

  /// Puts a node back as it was before a lowering that gave up. False where its outputs went elsewhere by then.
  private func undo(_ graph: inout Graph, _ id: NodeID, _ before: Node) -> Bool {
    guard graph[id].isAlive, graph[id].outputs == before.outputs else { return false }
    graph.setOperator(before.operatorName, of: id)
    graph.replaceInputs(of: id, with: before.inputs)
    for attribute in graph[id].attributes where before[attribute.name] == nil {
      graph.setAttribute(attribute.name, of: id, to: nil)
    }
    for attribute in before.attributes { graph.setAttribute(attribute.name, of: id, to: attribute.value) }
    return true
  }

  /// Lowers the nodes that a lowering made.
  private mutating func lowerNew(
    _ graph: inout Graph, from firstNew: Int, of name: OperatorName, _ opset: Int, _ depth: Int
  ) throws {
    guard depth < 8 else { throw CameoError.unsupported("operator \(name) does not lower to opset \(opset)") }
    for index in firstNew..<graph.nodeCapacity where graph[NodeID(index)].isAlive {
      try within("as \(graph[NodeID(index)].operatorName)") {
        _ = try lower(&graph, NodeID(index), isRestored: false, depth: depth + 1)
      }
    }
  }

  /// An operator that `opset` does not have yet: says it by others. False where it does not know how.
  private mutating func replace(_ graph: inout Graph, _ id: NodeID, _ opset: Int, _ depth: Int) throws -> Bool {
    let name = graph[id].operatorName
    let firstNew = graph.nodeCapacity
    guard let op = OperatorRegistry[name], try op.replace(&graph, id, before: opset) else { return false }
    if graph[id].isAlive {
      let other = graph[id].operatorName
      guard let schema = SchemaRegistry.schema(domain: other.domain, name: other.name, opset: opset),
        !schema.isDeprecated
      else { throw CameoError.unsupported("operator \(other) is not in opset \(opset)") }
      try fit(&graph, id, to: schema, opset)
    }
    try lowerNew(&graph, from: firstNew, of: name, opset, depth)
    return true
  }

  /// Replaces a node that the opset cannot say by its function body, and lowers that. False where there is none.
  private mutating func expand(_ graph: inout Graph, _ id: NodeID, because reason: CameoError, _ depth: Int) throws
    -> Bool
  {
    let name = graph[id].operatorName
    if let limit, !name.domain.isEmpty || SchemaRegistry.versions(domain: "", name: name.name).first ?? 0 <= limit {
      return false
    }
    guard depth < 8, FunctionBody.exists(for: name) else { return false }
    let types = graph[id].inputs.map { input in input.flatMap { graph[$0].type } }
    let added: [NodeID]
    do {
      guard let body = try FunctionBody.graph(of: graph[id], inputTypes: types) else { return false }
      added = try graph.inline(body, at: id)
    } catch let error as CameoError where error.kind == .unsupported {
      throw CameoError.unsupported("\(reason.reason), and its function body does not serve: \(error.reason)")
    }
    for new in added where graph[new].isAlive { _ = try lower(&graph, new, isRestored: false, depth: depth + 1) }
    return true
  }

  /// True where two versions of an operator differ in the types that they take only: a node means the same in both.
  private func saysTheSame(_ name: OperatorName, _ a: Int, _ b: Int) -> Bool {
    let all = SchemaRegistry.versions(domain: name.domain, name: name.name).filter {
      $0 >= min(a, b) && $0 <= max(a, b)
    }
    let schemas = all.compactMap { SchemaRegistry.schema(domain: name.domain, name: name.name, opset: $0) }
    guard let first = schemas.first else { return false }
    func parameters(_ list: [OperatorSchema.FormalParameter]) -> [String] { list.map { "\($0.name) \($0.option)" } }
    return schemas.dropFirst().allSatisfy { other in
      !other.isDeprecated && other.attributes == first.attributes
        && parameters(other.inputs) == parameters(first.inputs)
        && parameters(other.outputs) == parameters(first.outputs)
    }
  }

  private func newDomainOpset(_ domain: String) -> Int {
    if domain.isEmpty { return 24 }
    return source[domain] ?? SchemaRegistry.latestOpset(of: domain) ?? 1
  }

  // MARK: Source forms

  /// Puts an untouched node back as its file wrote it, where its version is the one that the target opset has.
  private func restoreSourceForm(_ graph: inout Graph, _ id: NodeID) -> Bool {
    guard !discardSourceForms, graph[id].isAlive, let form = graph[id].sourceForm else { return false }
    let name = form.operatorName
    let since = SchemaRegistry.sinceVersion(domain: name.domain, name: name.name, opset: form.opset)
    guard let opset = target[name.domain], since != nil,
      since == SchemaRegistry.sinceVersion(domain: name.domain, name: name.name, opset: opset)
    else { return false }
    let node = graph[id]
    for case .some(let input) in form.inputs {
      guard graph[input].isAlive, graph[input].producer != .none || graph[input].constant != nil,
        graph.isRegion(node.region, within: graph[input].region)
      else { return false }
    }
    // Bodies are those that the node has now.
    let bodies = form.attributes.flatMap { $0.value.regions }
    guard bodies == node.regions, node.outputs.count <= form.outputs.count,
      zip(node.outputs, form.outputs).allSatisfy({ $0 == nil || $0 == $1 })
    else { return false }
    graph.setOperator(name, of: id)
    graph.replaceInputs(of: id, with: form.inputs)
    // Removed first, so that they stand in the source's order.
    for attribute in node.attributes { graph.setAttribute(attribute.name, of: id, to: nil) }
    for attribute in form.attributes { graph.setAttribute(attribute, of: id) }
    return true
  }

  // MARK: Older signatures

  private func fit(_ graph: inout Graph, _ id: NodeID, to schema: OperatorSchema, _ opset: Int) throws {
    let name = graph[id].operatorName
    let newest = SchemaRegistry.newest(domain: name.domain, name: name.name)
    for attribute in graph[id].attributes where schema.attribute(attribute.name) == nil {
      // An attribute that no version has stood in the source: it is not ours to judge.
      guard let published = newest?.attribute(attribute.name) else { continue }
      guard isDefault(attribute.value, published.defaultValue) else {
        throw CameoError.unsupported("operator \(name) of opset \(opset) has no attribute \(attribute.name)")
      }
      graph.setAttribute(attribute.name, of: id, to: nil)
    }
    var inputs = graph[id].inputs
    while inputs.count > schema.inputCount.lowerBound, case .some(.none) = inputs.last { inputs.removeLast() }
    if inputs.count != graph[id].inputs.count { graph.replaceInputs(of: id, with: inputs) }
    guard inputs.count <= schema.inputCount.upperBound else {
      throw CameoError.unsupported(
        "operator \(name) of opset \(opset) takes \(schema.inputCount.upperBound) inputs, not \(inputs.count)")
    }
    guard graph[id].outputs.count <= schema.outputCount.upperBound else {
      throw CameoError.unsupported(
        "operator \(name) of opset \(opset) has \(schema.outputCount.upperBound) outputs, not \(graph[id].outputs.count)"
      )
    }
    for (index, input) in inputs.enumerated() {
      if let formal = schema.input(at: index), let type = refused(input, by: formal, in: graph) {
        throw CameoError.unsupported("operator \(name) of opset \(opset) takes no \(type) as \(formal.name)")
      }
    }
    for (index, output) in graph[id].outputs.enumerated() {
      if let formal = schema.output(at: index), let type = refused(output, by: formal, in: graph) {
        throw CameoError.unsupported("operator \(name) of opset \(opset) gives no \(type) as \(formal.name)")
      }
    }
  }

  /// The type of a value that its place in a signature does not allow, as text; nil where it is allowed or not known.
  private func refused(_ value: ValueID?, by formal: OperatorSchema.FormalParameter, in graph: Graph) -> String? {
    guard let value, let type = graph[value].type, !formal.types.isEmpty else { return nil }
    if case .tensor(let element?, _) = type {
      return formal.types.containsTensor(Int(element.rawValue)) ? nil : "\(element)"
    }
    guard let text = LoweringDriver.typeString(type), let known = TypeSet(text), !known.isSubset(of: formal.types)
    else {
      return nil
    }
    return text
  }

  /// As signatures write it; nil where an element type is not known.
  private static func typeString(_ type: ValueType) -> String? {
    switch type {
    case .tensor(let element, _): element.map { "tensor(\($0))" }
    case .sequence(let element): typeString(element).map { "seq(\($0))" }
    case .optional(let element): typeString(element).map { "optional(\($0))" }
    default: nil
    }
  }

  private func isDefault(_ value: Attribute, _ published: AttributeDefault) -> Bool {
    switch (value, published) {
    case (.int(let a), .int(let b)): a == b
    case (.float(let a), .float(let b)): a == b
    case (.string(let a), .string(let b)): a == b
    case (.ints(let a), .ints(let b)): a == b
    case (.floats(let a), .floats(let b)): a == b
    case (.strings(let a), .strings(let b)): a == b
    default: false
    }
  }

  // MARK: What is no longer read

  private func isRead(_ outputs: [ValueID?], in graph: Graph) -> Bool {
    outputs.contains { output in
      guard let output, Int(output.index) < graph.valueCapacity else { return false }
      return !graph[output].uses.isEmpty
    }
  }

  /// Removes nodes that only a form which is not written read: helpers of upgrades, and those lowerings left behind.
  private func dropLeftovers(_ graph: inout Graph, _ original: Graph) {
    for id in graph.allNodes.reversed() where graph[id].isAlive && !isRead(graph[id].outputs, in: graph) {
      let wasThere = Int(id.index) < original.nodeCapacity
      if wasThere && !isRead(original[id].outputs, in: original) { continue }
      graph.removeNode(id)
    }
  }

  /// Likewise constants; those that nothing ever read stay.
  private func dropConstants(_ graph: inout Graph, _ original: Graph) {
    var readByForms: Set<ValueID> = []
    for id in original.allNodes {
      for case .some(let input) in original[id].sourceForm?.inputs ?? [] { readByForms.insert(input) }
    }
    for id in graph.allValues where graph[id].isConstant && graph[id].uses.isEmpty {
      let wasThere = Int(id.index) < original.valueCapacity
      if wasThere && original[id].uses.isEmpty && !readByForms.contains(id) { continue }
      graph.removeValue(id)
    }
  }
}
