public import GraphIR
public import Tensors

/// Steps that upgrades and lowerings share.
extension Graph {
  /// Upgrade: the attribute becomes a constant input at `index` (int64 1-D for ints, scalar for int, float for floats).
  /// An attribute reference in a function body becomes a Constant node that holds the reference.
  /// Nothing happens where the attribute is absent.
  public mutating func moveAttributeToInput(_ name: String, of id: NodeID, at index: Int, as type: DataType? = nil)
    throws
  {
    guard let attribute = self[id][name] else { return }
    let value: ValueID
    switch attribute {
    case .reference(let parameter, let kind):
      value = addValue(name: freshName(name), in: self[id].region)
      let key: String
      switch kind {
      case .ints: key = "value_ints"
      case .int: key = "value_int"
      case .floats: key = "value_floats"
      case .float: key = "value_float"
      default: throw CameoError.unsupported("a reference to attribute \(parameter) cannot become an input")
      }
      addNode(
        OperatorName("Constant"), inputs: [], outputs: [value],
        attributes: [NamedAttribute(key, .reference(parameter, kind))], in: self[id].region)
    default:
      guard var tensor = try attribute.constantValue?().tensor else {
        throw CameoError.badInput("attribute \(name) cannot become an input")
      }
      if let type { tensor = try tensor.converted(to: type) }
      value = addConstant(tensor, name: freshName(name), in: self[id].region)
    }
    setAttribute(name, of: id, to: nil)
    insertInput(value, of: id, at: index)
  }

  /// Puts `value` at input `index`, padding with left-out inputs up to there.
  public mutating func insertInput(_ value: ValueID?, of id: NodeID, at index: Int) {
    var inputs = self[id].inputs
    while inputs.count <= index { inputs.append(nil) }
    inputs[index] = value
    replaceInputs(of: id, with: inputs)
  }

  /// Lowering: the constant input at `index` becomes an attribute; trailing left-out inputs go. Throws `.unsupported` where the
  /// input is not constant. Nothing happens where it is left out.
  public mutating func moveInputToAttribute(
    _ index: Int, of id: NodeID, named name: String, _ convert: (Tensor) throws -> Attribute
  ) throws {
    defer { trimInputs(of: id) }
    guard let input = self[id].input(index) else { return }
    guard let tensor = constant(input) else {
      throw CameoError.unsupported("input \(name) is computed; the older version takes it as a fixed attribute")
    }
    setAttribute(name, of: id, to: try convert(tensor))
    setInput(index, of: id, to: nil)
  }

  /// Drops left-out inputs at the end.
  public mutating func trimInputs(of id: NodeID) {
    var inputs = self[id].inputs
    guard case .some(.none) = inputs.last else { return }
    while case .some(.none) = inputs.last { inputs.removeLast() }
    replaceInputs(of: id, with: inputs)
  }

  /// A new node before nothing in particular (order is restored by sorting); its single output.
  public mutating func emit(
    _ type: String, domain: String = "", _ inputs: [ValueID?], _ attributes: [NamedAttribute] = [], like id: NodeID
  ) -> ValueID {
    let output = addValue(name: freshName(type), in: self[id].region)
    addNode(
      OperatorName(type, domain: domain), inputs: inputs, outputs: [output], attributes: attributes,
      origins: self[id].origins, in: self[id].region)
    return output
  }

  /// A constant in the region of `id`.
  public mutating func emitConstant(_ tensor: Tensor, like id: NodeID) -> ValueID {
    addConstant(tensor, name: freshName("const"), in: self[id].region)
  }

  /// Hands output 0 of `id` to the last node of `replacement` and removes `id`: its readers and name stay.
  /// A node with further outputs that are read stays as it is: no operator that is replaced has any.
  public mutating func replaceNode(_ id: NodeID, by replacement: ValueID) {
    guard let output = self[id].output(0) else { return }
    for case .some(let other) in self[id].outputs.dropFirst() where !self[other].uses.isEmpty { return }
    let name = self[output].name
    let type = self[output].type
    replaceAllUses(of: output, with: replacement)
    setName(name, of: replacement)
    if self[replacement].type == nil || self[replacement].type?.shape == nil && type?.shape != nil {
      setType(type, of: replacement)
    }
    removeNode(id)
  }
}

extension Attribute {
  /// A tensor of integers as an `ints` attribute.
  public static func ints(_ tensor: Tensor) throws -> Attribute { .ints(try tensor.elements(as: Int64.self)) }
  /// The one integer of a tensor as an `int` attribute.
  public static func int(_ tensor: Tensor) throws -> Attribute { .int(try tensor.scalar(as: Int64.self)) }
  public static func floats(_ tensor: Tensor) throws -> Attribute { .floats(try tensor.elements(as: Float.self)) }
  public static func float(_ tensor: Tensor) throws -> Attribute { .float(try tensor.scalar(as: Float.self)) }
}
