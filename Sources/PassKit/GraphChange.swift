public import GraphIR
public import Tensors

/// A rewrite, stated and not yet made: nodes to add, values to replace, nodes that the new ones stand for.
public struct GraphChange: Sendable {
  /// A value of the graph, or one that this change makes.
  public enum Ref: Hashable, Sendable {
    case existing(ValueID)
    case new(Int)
  }

  struct NewNode: Sendable {
    var operatorName: OperatorName
    var name: String
    var inputs: [Ref?]
    var outputs: [Int?]
    var attributes: [NamedAttribute]
    var overload: String
    var covers: [NodeID]?
    /// Attributes whose value is a body of the node's own.
    var bodies: [(attribute: String, graph: Graph)] = []
  }

  struct NewConstant: Sendable {
    var slot: Int
    var value: Value
    var name: String
  }

  /// Which rule made it, for the report.
  public var rule: String
  /// The nodes that the rewrite replaces. New nodes take the origins of those among them that die.
  public var covers: [NodeID]
  var slots = 0
  var nodes: [NewNode] = []
  var constants: [NewConstant] = []
  var replacements: [(old: ValueID, new: Ref)] = []
  var inputEdits: [(node: NodeID, index: Int, value: Ref?)] = []
  var attributeEdits: [(node: NodeID, name: String, value: Attribute?)] = []
  var typeEdits: [(value: ValueID, type: ValueType)] = []
  var outputDrops: [(node: NodeID, index: Int)] = []
  var inlinings: [(node: NodeID, region: RegionID, arguments: [Ref?])] = []
  var removals: [NodeID] = []
  /// The region that new nodes go to; nil: that of the first covered node.
  public var region: RegionID?
  /// The node that the report shows as the result; the last added one unless set.
  public var isFusion: Bool

  public init(rule: String, covers: [NodeID], isFusion: Bool = false, region: RegionID? = nil) {
    self.rule = rule
    self.covers = covers
    self.isFusion = isFusion
    self.region = region
  }

  /// Adds a node with one output.
  public mutating func node(
    _ type: String, domain: String = "", _ inputs: [Ref?], _ attributes: [NamedAttribute] = [], name: String = "",
    covers: [NodeID]? = nil
  ) -> Ref {
    nodes(type, domain: domain, inputs, attributes, outputs: 1, name: name, covers: covers)[0]
  }

  /// Adds a node with several outputs. `covers` narrows which origins it takes; nil: all of the change's.
  public mutating func nodes(
    _ type: String, domain: String = "", _ inputs: [Ref?], _ attributes: [NamedAttribute] = [], outputs: Int,
    name: String = "", covers: [NodeID]? = nil
  ) -> [Ref] {
    let first = slots
    slots += outputs
    nodes.append(
      NewNode(
        operatorName: OperatorName(type, domain: domain), name: name, inputs: inputs,
        outputs: (first..<slots).map { $0 }, attributes: attributes, overload: "", covers: covers))
    return (first..<slots).map { .new($0) }
  }

  /// Adds a node with one output and, as its attribute `attribute`, a body: a copy of the main region of `body`.
  public mutating func node(
    _ type: String, domain: String = "", _ inputs: [Ref?], _ attribute: String, body: Graph, name: String = ""
  ) -> Ref {
    let result = nodes(type, domain: domain, inputs, outputs: 1, name: name)[0]
    nodes[nodes.count - 1].bodies.append((attribute, body))
    return result
  }

  /// Adds a node that leaves out the outputs that are not `present`.
  public mutating func nodes(
    _ type: String, domain: String = "", _ inputs: [Ref?], _ attributes: [NamedAttribute] = [], present: [Bool],
    name: String = "", covers: [NodeID]? = nil
  ) -> [Ref?] {
    let made = nodes(type, domain: domain, inputs, attributes, outputs: present.count, name: name, covers: covers)
    let last = nodes.count - 1
    for (index, isPresent) in present.enumerated() where !isPresent { nodes[last].outputs[index] = nil }
    return zip(made, present).map { $1 ? $0 : nil }
  }

  public mutating func constant(_ tensor: Tensor, name: String = "") -> Ref { constant(.tensor(tensor), name: name) }

  public mutating func constant(_ value: Value, name: String = "") -> Ref {
    slots += 1
    constants.append(NewConstant(slot: slots - 1, value: value, name: name))
    return .new(slots - 1)
  }

  /// Puts the data movement that a match passed over (`Match.movements`) on another value, in the same order.
  public mutating func repeating(_ movements: [NodeID], on value: Ref, in graph: Graph) -> Ref {
    movements.reduce(value) { moved, id in
      let source = graph[id]
      let inputs = source.inputs.enumerated().map { $0.offset == 0 ? moved : $0.element.map { Ref.existing($0) } }
      return node(source.type, domain: source.domain, inputs, source.attributes, name: source.name, covers: [id])
    }
  }

  /// Every reader of `old` reads `new`; the name of a graph output stays with the output.
  public mutating func replace(_ old: ValueID, with new: Ref) { replacements.append((old, new)) }
  public mutating func replace(_ old: ValueID, with new: ValueID) { replacements.append((old, .existing(new))) }

  public mutating func setInput(_ index: Int, of node: NodeID, to value: Ref?) {
    inputEdits.append((node, index, value))
  }
  public mutating func setAttribute(_ name: String, of node: NodeID, to value: Attribute?) {
    attributeEdits.append((node, name, value))
  }
  public mutating func setType(_ type: ValueType, of value: ValueID) { typeEdits.append((value, type)) }
  /// Leaves out an unread output of a node.
  public mutating func dropOutput(_ index: Int, of node: NodeID) { outputDrops.append((node, index)) }
  /// Removes a node that nothing reads.
  public mutating func remove(_ node: NodeID) { removals.append(node) }
  /// Moves the nodes of a body of `node` in front of it, with the body's inputs bound to `arguments`, and replaces the node's
  /// outputs by the body's.
  public mutating func inline(_ region: RegionID, of node: NodeID, arguments: [Ref?] = []) {
    inlinings.append((node, region, arguments))
  }

  public var isEmpty: Bool {
    nodes.isEmpty && replacements.isEmpty && inputEdits.isEmpty && attributeEdits.isEmpty && typeEdits.isEmpty
      && outputDrops.isEmpty && inlinings.isEmpty && removals.isEmpty
  }
}

/// What applying a change did.
public struct AppliedChange: Sendable {
  /// In order of addition.
  public var added: [NodeID] = []
  public var removed: [NodeID] = []
  /// Nodes that read something else now.
  public var touched: [NodeID] = []
  /// Nodes that are the only reader of a value now, and were not before.
  var released: [NodeID] = []
  /// Values whose readers read another one now.
  public internal(set) var replaced: [(old: ValueID, new: ValueID)] = []
}

extension Graph {
  /// Applies `change`. Covered nodes and their producers go where nothing reads them any more. The order of nodes is restored
  /// later, by `sortTopologically`.
  mutating func apply(_ change: GraphChange) -> AppliedChange {
    var result = AppliedChange()
    let region = change.region ?? change.covers.first.map { self[$0].region } ?? .main
    var slots = [ValueID?](repeating: nil, count: change.slots)
    for constant in change.constants {
      slots[constant.slot] = addConstant(
        constant.value, name: constant.name.isEmpty ? freshName("const") : constant.name, in: region)
    }
    for node in change.nodes {
      for case .some(let slot) in node.outputs { slots[slot] = addValue(name: "", in: region) }
    }
    func resolve(_ ref: GraphChange.Ref?) -> ValueID? {
      switch ref {
      case nil: nil
      case .existing(let value): value
      case .new(let slot): slots.indices.contains(slot) ? slots[slot] : nil
      }
    }
    for node in change.nodes {
      let outputs = node.outputs.map { $0.flatMap { slots[$0] } }
      let bodies = node.bodies.map { NamedAttribute($0.attribute, .graph(addRegion(copying: $0.graph))) }
      let id = addNode(
        node.operatorName, name: node.name, inputs: node.inputs.map(resolve), outputs: outputs,
        attributes: node.attributes + bodies, overload: node.overload, in: region)
      result.added.append(id)
    }
    var orphans: [NodeID] = []
    // What nodes read that may go.
    var read: Set<ValueID> = []
    for id in change.covers + change.inlinings.map(\.node) { read.formUnion(self[id].inputs.compactMap { $0 }) }
    for edit in change.inputEdits {
      if let old = producer(self[edit.node].input(edit.index)) { orphans.append(old) }
      if let old = self[edit.node].input(edit.index) { read.insert(old) }
      var inputs = self[edit.node].inputs
      while inputs.count <= edit.index { inputs.append(nil) }
      inputs[edit.index] = resolve(edit.value)
      while case .some(.none) = inputs.last { inputs.removeLast() }
      replaceInputs(of: edit.node, with: inputs)
      result.touched.append(edit.node)
    }
    for edit in change.attributeEdits {
      setAttribute(edit.name, of: edit.node, to: edit.value)
      result.touched.append(edit.node)
    }
    for edit in change.typeEdits { setType(edit.type, of: edit.value) }
    for (node, region, arguments) in change.inlinings {
      result.added += inlineBody(region, of: node, arguments: arguments.map(resolve))
      result.removed.append(node)
    }
    var candidates = change.covers + change.removals + orphans
    for (old, ref) in change.replacements {
      guard var new = resolve(ref), new != old else { continue }
      result.touched += consumers(old)
      if let producer = producer(old) { candidates.append(producer) }
      let info = self[old]
      if isRegionOutput(old) {
        new = outputCarrier(new, for: old, &result)
        setName(info.name, of: new)
      } else if self[new].name.isEmpty {
        setName(info.name, of: new)
      }
      if self[new].type == nil { setType(info.type, of: new) }
      replaceAllUses(of: old, with: new)
      result.replaced.append((old, new))
    }
    for (node, index) in change.outputDrops where self[node].isAlive {
      if let output = self[node].output(index), self[output].uses.isEmpty { dropOutput(index, of: node) }
      result.touched.append(node)
    }
    for id in result.added {
      for case .some(let output) in self[id].outputs where self[output].name.isEmpty {
        setName(freshName(self[id].type), of: output)
      }
    }
    let made = Array(zip(result.added, change.nodes))
    result.removed += removeDead(candidates, &read)
    for value in read.sorted() where self[value].isAlive && self[value].uses.count == 1 {
      if let reader = consumers(value).first { result.released.append(reader) }
    }
    let folded = read.filter { !self[$0].origins.isEmpty }
    result.added.removeAll { !self[$0].isAlive }
    result.touched.removeAll { !self[$0].isAlive }
    handOverOrigins(change, made, slots, folded, result)
    return result
  }

  /// Gives the origins of the nodes that died to what stands for them now, each to one: the new nodes, else the new constants,
  /// else whatever computes or reads the values that took their place. Plain removals leave none.
  private mutating func handOverOrigins(
    _ change: GraphChange, _ made: [(NodeID, GraphChange.NewNode)], _ slots: [ValueID?], _ folded: Set<ValueID>,
    _ result: AppliedChange
  ) {
    var left = Set(result.removed)
    // Nodes of bodies die with the node that owns them; those that a change covers by name still have heirs.
    var handed: Set<NodeID> = []
    func wentWithBody(_ id: NodeID, _ handed: inout Set<NodeID>) -> Bool {
      !self[id].isAlive && !self[self[id].region].isAlive && handed.insert(id).inserted
    }
    let nodes = made.filter { self[$0.0].isAlive }
    for (id, node) in nodes {
      for covered in node.covers ?? [] where left.remove(covered) != nil || wentWithBody(covered, &handed) {
        let origins = self[covered].origins
        modify(id) { $0.origins.formUnion(origins) }
      }
    }
    var rest = left.reduce(into: Origins()) { $0.formUnion(self[$1].origins) }
    // A folded constant that nothing reads any more goes with its readers.
    for value in folded where self[value].uses.isEmpty { rest.formUnion(self[value].origins) }
    if rest.isEmpty { return }
    if let main = nodes.last(where: { $0.1.covers == nil })?.0 ?? nodes.last?.0 {
      return modify(main) { $0.origins.formUnion(rest) }
    }
    let constants = change.constants.compactMap { slots[$0.slot] }.filter { !self[$0].uses.isEmpty }
    if !constants.isEmpty {
      for constant in constants { modify(constant) { $0.origins.formUnion(rest) } }
      return
    }
    for (_, new) in result.replaced {
      if let producer = producer(new) { return modify(producer) { $0.origins.formUnion(rest) } }
      if self[new].isConstant { return modify(new) { $0.origins.formUnion(rest) } }
    }
    if let heir = result.added.last ?? result.touched.first { modify(heir) { $0.origins.formUnion(rest) } }
  }

  /// A value that may stand as the region output that `old` is: computed by a node of that region and no output yet. `new`
  /// itself where it is that, else what an Identity makes of it.
  private mutating func outputCarrier(_ new: ValueID, for old: ValueID, _ result: inout AppliedChange) -> ValueID {
    let region = self[old].region
    if let producer = producer(new), self[producer].region == region, !isRegionOutput(new) { return new }
    let copy = addValue(name: "", in: region)
    result.added.append(addNode(OperatorName("Identity"), inputs: [new], outputs: [copy], in: region))
    return copy
  }

  /// Removes those of `candidates` whose outputs nobody reads, then their producers likewise. `read` takes what they read.
  mutating func removeDead(_ candidates: [NodeID], _ read: inout Set<ValueID>) -> [NodeID] {
    var removed: [NodeID] = []
    var work = candidates
    while let id = work.popLast() {
      guard self[id].isAlive else { continue }
      let isRead = self[id].outputs.contains { output in output.map { !self[$0].uses.isEmpty } ?? false }
      if isRead { continue }
      read.formUnion(self[id].inputs.compactMap { $0 })
      var producers: Set<NodeID> = Set(self[id].inputs.compactMap { producer($0) })
      for region in self[id].regions { producers.formUnion(capturedValues(of: region).compactMap { producer($0) }) }
      removeNode(id)
      removed.append(id)
      work += producers.sorted()
    }
    return removed
  }

  /// Moves a body's nodes into the region of `node`, binds the body's inputs, replaces the node's outputs, removes the node.
  mutating func inlineBody(_ region: RegionID, of node: NodeID, arguments: [ValueID?]) -> [NodeID] {
    let target = self[node].region
    for (index, input) in self[region].inputs.enumerated() {
      if index < arguments.count, let argument = arguments[index] { replaceAllUses(of: input, with: argument) }
    }
    var moved = nodes(in: region)
    for id in moved { moveNode(id, to: target) }
    let results = self[region].outputs
    setOutputs([], of: region)
    for (index, output) in self[node].outputs.enumerated() {
      guard let output, index < results.count else { continue }
      var carrier = results[index]
      if isRegionOutput(output) {
        var added = AppliedChange()
        carrier = outputCarrier(carrier, for: output, &added)
        moved += added.added
        setName(self[output].name, of: carrier)
      }
      if self[carrier].type == nil { setType(self[output].type, of: carrier) }
      replaceAllUses(of: output, with: carrier)
    }
    // Constants of the body keep living where their readers are.
    for value in allValues where self[value].region == region && self[value].producer == .none {
      setRegion(target, of: value)
    }
    removeNode(node)
    return moved
  }
}
