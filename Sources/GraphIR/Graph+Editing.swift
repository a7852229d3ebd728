import Tensors

/// The primitives that keep arenas, producers and use lists consistent. Passes hand over a change instead (PassKit); import
/// and the pass manager call these.
extension Graph {
  // MARK: Values

  /// A new value without producer; `addNode` or `addInput` gives it one.
  @discardableResult
  public mutating func addValue(name: String, type: ValueType? = nil, in region: RegionID = .main) -> ValueID {
    valueArena.append(ValueInfo(name: name, type: type, producer: .none, region: region, constant: nil))
    return ValueID(valueArena.count - 1)
  }

  /// A new constant.
  public mutating func addConstant(
    _ value: Value, name: String = "", form: ValueInfo.ConstantForm = .initializer, in region: RegionID = .main
  ) -> ValueID {
    let id = addValue(name: name, type: value.staticType, in: region)
    valueArena[Int(id.index)].constant = value
    valueArena[Int(id.index)].constantForm = form
    return id
  }

  public mutating func addConstant(_ tensor: Tensor, name: String = "", in region: RegionID = .main) -> ValueID {
    addConstant(.tensor(tensor), name: name, in: region)
  }

  /// Makes `value` an input of `region`, the last one.
  public mutating func addInput(_ value: ValueID, to region: RegionID = .main) {
    let index = regionArena[Int(region.index)].inputs.count
    regionArena[Int(region.index)].inputs.append(value)
    valueArena[Int(value.index)].producer = .regionInput(region, index)
    valueArena[Int(value.index)].region = region
  }

  /// Makes `inputs`, which no node produces, the inputs of `region`. Former inputs that are not among them must be unread; they
  /// die.
  public mutating func setInputs(_ inputs: [ValueID], of region: RegionID = .main) {
    let former = regionArena[Int(region.index)].inputs
    regionArena[Int(region.index)].inputs = []
    for value in former { valueArena[Int(value.index)].producer = .none }
    for value in inputs { addInput(value, to: region) }
    for value in former where valueArena[Int(value.index)].producer == .none { removeValue(value) }
  }

  /// Sets or clears the constant of a value: for a value without producer its value, for a region input its default.
  public mutating func setConstant(_ constant: Value?, of value: ValueID) {
    valueArena[Int(value.index)].constant = constant
    if let constant, valueArena[Int(value.index)].type == nil {
      valueArena[Int(value.index)].type = constant.staticType
    }
  }

  public mutating func setType(_ type: ValueType?, of value: ValueID) { valueArena[Int(value.index)].type = type }
  public mutating func setName(_ name: String, of value: ValueID) { valueArena[Int(value.index)].name = name }

  /// Edits the descriptive fields of a value (name, documentation, metadata, origins). Producers and uses stay.
  public mutating func modify(_ value: ValueID, _ body: (inout ValueInfo) -> Void) {
    body(&valueArena[Int(value.index)])
  }

  /// Makes `outputs` the outputs of `region`.
  public mutating func setOutputs(_ outputs: [ValueID], of region: RegionID = .main) {
    let r = Int(region.index)
    for (index, old) in regionArena[r].outputs.enumerated() { removeUse(old, slot: regionArena[r].outputSlots[index]) }
    regionArena[r].outputs = outputs
    regionArena[r].outputSlots = []
    for (index, value) in outputs.enumerated() {
      regionArena[r].outputSlots.append(addUse(value, .output(region, index)))
    }
  }

  /// Removes a value that nothing produces or reads.
  public mutating func removeValue(_ value: ValueID) {
    valueArena[Int(value.index)].isAlive = false
    valueArena[Int(value.index)].constant = nil
  }

  // MARK: Nodes

  /// Appends a node to `region`. `outputs` must have no producer yet. O(inputs + outputs).
  @discardableResult
  public mutating func addNode(
    _ operatorName: OperatorName, name: String = "", inputs: [ValueID?], outputs: [ValueID?],
    attributes: [NamedAttribute] = [], overload: String = "", origins: Origins = Origins(), in region: RegionID = .main
  ) -> NodeID {
    let id = NodeID(nodeArena.count)
    nodeArena.append(
      Node(
        operatorName: operatorName, overload: overload, name: name, documentation: "", inputs: [], outputs: outputs,
        attributes: attributes, region: region, metadata: [], origins: origins, sourceForm: nil, unknownFields: []))
    for (index, output) in outputs.enumerated() {
      if let output {
        precondition(valueArena[Int(output.index)].producer == .none, "a value has two producers")
        valueArena[Int(output.index)].producer = .node(id, index)
        valueArena[Int(output.index)].constant = nil
        valueArena[Int(output.index)].region = region
      }
    }
    for attribute in attributes {
      for inner in attribute.value.regions { regionArena[Int(inner.index)].parent = id }
    }
    regionArena[Int(region.index)].nodes.append(id)
    replaceInputs(of: id, with: inputs, keepingSource: true)
    return id
  }

  /// Removes a node. Its outputs must be unread; they die with it, and so do its bodies.
  public mutating func removeNode(_ id: NodeID) {
    let n = Int(id.index)
    guard nodeArena[n].isAlive else { return }
    for region in nodeArena[n].regions { removeRegion(region) }
    for (index, input) in nodeArena[n].inputs.enumerated() {
      if let input { removeUse(input, slot: nodeArena[n].useSlots[index]) }
    }
    for output in nodeArena[n].outputs {
      if let output {
        precondition(valueArena[Int(output.index)].uses.isEmpty, "a removed node's output is still read")
        valueArena[Int(output.index)].isAlive = false
        valueArena[Int(output.index)].producer = .none
      }
    }
    nodeArena[n].isAlive = false
    regionArena[Int(nodeArena[n].region.index)].deadNodes += 1
    nodeArena[n].inputs = []
    nodeArena[n].outputs = []
    nodeArena[n].useSlots = []
    nodeArena[n].attributes = []
    nodeArena[n].sourceForm = nil
  }

  private mutating func removeRegion(_ region: RegionID) {
    let r = Int(region.index)
    setOutputs([], of: region)
    for node in regionArena[r].nodes.reversed() where nodeArena[Int(node.index)].isAlive { removeNode(node) }
    for input in regionArena[r].inputs { removeValue(input) }
    regionArena[r].nodes = []
    regionArena[r].deadNodes = 0
    regionArena[r].inputs = []
    regionArena[r].isAlive = false
  }

  /// Replaces one input; the source form is given up.
  public mutating func setInput(_ index: Int, of id: NodeID, to value: ValueID?) {
    let n = Int(id.index)
    if let old = nodeArena[n].inputs[index] { removeUse(old, slot: nodeArena[n].useSlots[index]) }
    nodeArena[n].inputs[index] = value
    nodeArena[n].useSlots[index] = value.map { addUse($0, .node(id, index)) } ?? -1
    nodeArena[n].sourceForm = nil
  }

  /// Replaces all inputs.
  public mutating func replaceInputs(of id: NodeID, with inputs: [ValueID?], keepingSource: Bool = false) {
    let n = Int(id.index)
    for (index, old) in nodeArena[n].inputs.enumerated() {
      if let old { removeUse(old, slot: nodeArena[n].useSlots[index]) }
    }
    nodeArena[n].inputs = inputs
    nodeArena[n].useSlots = [Int32](repeating: -1, count: inputs.count)
    for (index, value) in inputs.enumerated() {
      if let value { nodeArena[n].useSlots[index] = addUse(value, .node(id, index)) }
    }
    if !keepingSource { nodeArena[n].sourceForm = nil }
  }

  /// Adds or replaces an attribute's value; nil removes it. An attribute that was there keeps its text; labels go with the
  /// value they belong to. The source form is given up unless `keepingSource`.
  public mutating func setAttribute(_ name: String, of id: NodeID, to value: Attribute?, keepingSource: Bool = false) {
    let n = Int(id.index)
    let index = nodeArena[n].attributes.firstIndex { $0.name == name }
    if let value {
      let text = index.map { nodeArena[n].attributes[$0].documentation } ?? ""
      setAttribute(NamedAttribute(name, value, documentation: text), of: id, keepingSource: keepingSource)
    } else {
      if let index { nodeArena[n].attributes.remove(at: index) }
      if !keepingSource { nodeArena[n].sourceForm = nil }
    }
  }

  /// Adds or replaces an attribute with all that stands beside its value.
  public mutating func setAttribute(_ attribute: NamedAttribute, of id: NodeID, keepingSource: Bool = false) {
    let n = Int(id.index)
    if let index = nodeArena[n].attributes.firstIndex(where: { $0.name == attribute.name }) {
      nodeArena[n].attributes[index] = attribute
    } else {
      nodeArena[n].attributes.append(attribute)
    }
    for inner in attribute.value.regions { regionArena[Int(inner.index)].parent = id }
    if !keepingSource { nodeArena[n].sourceForm = nil }
  }

  public mutating func setOperator(_ name: OperatorName, of id: NodeID, keepingSource: Bool = false) {
    nodeArena[Int(id.index)].operatorName = name
    if !keepingSource { nodeArena[Int(id.index)].sourceForm = nil }
  }

  public mutating func setSourceForm(_ form: SourceForm?, of id: NodeID) { nodeArena[Int(id.index)].sourceForm = form }

  /// Appends an output to a node; `value` has no producer.
  public mutating func addOutput(_ value: ValueID?, to id: NodeID) {
    let n = Int(id.index)
    if let value {
      valueArena[Int(value.index)].producer = .node(id, nodeArena[n].outputs.count)
      valueArena[Int(value.index)].constant = nil
      valueArena[Int(value.index)].region = nodeArena[n].region
    }
    nodeArena[n].outputs.append(value)
  }

  /// Leaves out an unread output; its value dies. Trailing left-out outputs are dropped.
  public mutating func dropOutput(_ index: Int, of id: NodeID) {
    let n = Int(id.index)
    if let value = nodeArena[n].outputs[index] {
      precondition(valueArena[Int(value.index)].uses.isEmpty, "a dropped output is still read")
      valueArena[Int(value.index)].producer = .none
      valueArena[Int(value.index)].isAlive = false
    }
    nodeArena[n].outputs[index] = nil
    while case .some(.none) = nodeArena[n].outputs.last { nodeArena[n].outputs.removeLast() }
    nodeArena[n].sourceForm = nil
  }

  /// Lets `new` stand at output `index` of the node in place of the value there, which loses its producer.
  public mutating func rebindOutput(_ index: Int, of id: NodeID, to new: ValueID) {
    let n = Int(id.index)
    if let old = nodeArena[n].outputs[index] { valueArena[Int(old.index)].producer = .none }
    nodeArena[n].outputs[index] = new
    valueArena[Int(new.index)].producer = .node(id, index)
    valueArena[Int(new.index)].constant = nil
    valueArena[Int(new.index)].region = nodeArena[n].region
  }

  /// Edits the descriptive fields of a node (name, documentation, metadata, origins). Operands and operator stay.
  public mutating func modify(_ id: NodeID, _ body: (inout Node) -> Void) {
    body(&nodeArena[Int(id.index)])
  }

  // MARK: Uses

  /// Lets every reader of `old` read `new`. O(uses of old).
  public mutating func replaceAllUses(of old: ValueID, with new: ValueID) {
    if old == new { return }
    let uses = valueArena[Int(old.index)].uses
    valueArena[Int(old.index)].uses = []
    for use in uses {
      let slot = addUse(new, use)
      switch use {
      case .node(let id, let index):
        nodeArena[Int(id.index)].inputs[index] = new
        nodeArena[Int(id.index)].useSlots[index] = slot
        nodeArena[Int(id.index)].sourceForm = nodeArena[Int(id.index)].sourceForm?.replacing(old, with: new)
      case .output(let region, let index):
        regionArena[Int(region.index)].outputs[index] = new
        regionArena[Int(region.index)].outputSlots[index] = slot
      }
    }
  }

  private mutating func addUse(_ value: ValueID, _ use: Use) -> Int32 {
    valueArena[Int(value.index)].uses.append(use)
    return Int32(valueArena[Int(value.index)].uses.count - 1)
  }

  /// Swaps the last use into the hole, so removal is O(1) however many uses a value has.
  private mutating func removeUse(_ value: ValueID, slot: Int32) {
    let v = Int(value.index)
    let last = valueArena[v].uses.removeLast()
    if Int(slot) == valueArena[v].uses.count { return }
    valueArena[v].uses[Int(slot)] = last
    switch last {
    case .node(let id, let index): nodeArena[Int(id.index)].useSlots[index] = slot
    case .output(let region, let index): regionArena[Int(region.index)].outputSlots[index] = slot
    }
  }

  // MARK: Regions

  /// A new, empty region; the node whose attribute takes it becomes its parent.
  public mutating func addRegion(name: String = "") -> RegionID {
    regionArena.append(Region(name: name, inputs: [], outputs: [], nodes: [], parent: nil))
    return RegionID(regionArena.count - 1)
  }

  public mutating func modify(_ region: RegionID, _ body: (inout Region) -> Void) {
    body(&regionArena[Int(region.index)])
  }

  /// Moves a node to the end of another region.
  public mutating func moveNode(_ id: NodeID, to region: RegionID) {
    let old = nodeArena[Int(id.index)].region
    if let index = regionArena[Int(old.index)].nodes.firstIndex(of: id) {
      regionArena[Int(old.index)].nodes.remove(at: index)
    }
    nodeArena[Int(id.index)].region = region
    for output in nodeArena[Int(id.index)].outputs { if let output { valueArena[Int(output.index)].region = region } }
    regionArena[Int(region.index)].nodes.append(id)
  }

  /// Moves a constant to another region's scope.
  public mutating func setRegion(_ region: RegionID, of value: ValueID) { valueArena[Int(value.index)].region = region }

  /// A label that this graph has not given before.
  public mutating func freshName(_ stem: String) -> String {
    nameCounter += 1
    return "\(stem)__\(nameCounter)"
  }
}

extension SourceForm {
  /// The form after a value was replaced by an equal one.
  func replacing(_ old: ValueID, with new: ValueID) -> SourceForm {
    guard inputs.contains(where: { $0 == old }) else { return self }
    return SourceForm(
      operatorName: operatorName, attributes: attributes, inputs: inputs.map { $0 == old ? new : $0 }, outputs: outputs,
      opset: opset)
  }
}

extension Value {
  /// The type with every dimension known; of a sequence's elements what they share.
  public var staticType: ValueType? {
    switch self {
    case .tensor(let tensor): .tensor(tensor.dataType, tensor.shape.map { Dim($0) })
    case .sparse(let sparse): .sparse(sparse.values.dataType, sparse.shape.map { Dim($0) })
    case .sequence(let elements): Value.sharedType(elements).map { .sequence($0) }
    case .optional(let element): element?.staticType.map { .optional($0) }
    case .map(let map): map.values.first?.staticType.map { .map(map.keys.dataType, $0) }
    }
  }

  /// The type of all elements: the shape is open where theirs differ.
  private static func sharedType(_ elements: [Value]) -> ValueType? {
    guard let first = elements.first?.staticType else { return nil }
    guard case .tensor(let type, let shape) = first, let type, let shape else { return first }
    let isUniform = elements.allSatisfy { value in
      value.tensor.map { $0.rank == shape.count && zip(shape, $0.shape).allSatisfy { $0.value == $1 } } ?? false
    }
    return .tensor(type, isUniform ? shape : nil)
  }
}
