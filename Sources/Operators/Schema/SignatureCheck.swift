public import GraphIR
import Tensors

/// A node held against its operator's published signature: the one place where counts, types and kinds of attributes are
/// checked, for every operator. Ranks, axes and sizes are the operators' own rules.
extension OperatorSchema {
  /// Checks what needs no types: counts of inputs and outputs, inputs that may not be left out, required attributes, kinds of
  /// attributes. Attributes that the schema does not list are let pass. Throws `.badInput` with what was expected.
  public func check(structureOf node: Node) throws {
    try checkCount(node.inputs.count, inputCount, inputs, "input")
    try checkCount(node.outputs.count, outputCount, outputs, "output")
    for (index, value) in node.inputs.enumerated() where value == nil {
      guard let parameter = input(at: index) else { continue }
      switch parameter.option {
      case .single, .variadic:
        throw CameoError.badInput("input \(index) (\(parameter.name)) is left out, but it is not optional")
      case .optional: continue
      }
    }
    for attribute in attributes {
      guard let value = node[attribute.name] else {
        if attribute.isRequired, attribute.name != OperatorSchema.formerMemoryHint {
          throw CameoError.badInput("attribute \(attribute.name) is missing, \(attribute.type.phrase) was expected")
        }
        continue
      }
      if !attribute.type.admits(value) {
        throw CameoError.badInput(
          "attribute \(attribute.name) is \(AttributeType(value.kind).phrase), \(attribute.type.phrase) was expected")
      }
    }
  }

  /// Required by many operators of opset 1 and without meaning: files that leave it out are read.
  private static let formerMemoryHint = "consumed_inputs"

  /// Checks known types of the inputs, and of the outputs where they are known, too, against the constraints, and those of one
  /// type parameter against each other. What is unknown (nil, or an element type that is) is let pass. Throws `.badInput` with
  /// what was expected.
  public func check(typesOf given: [ValueType?], results: [ValueType?] = []) throws {
    var bound = [(place: Place, type: ValueType)?](repeating: nil, count: typeConstraints.count)
    for (index, type) in given.enumerated() {
      guard let type, let parameter = input(at: index) else { continue }
      try check(type, parameter, Place(isResult: false, index: index, name: parameter.name), &bound)
    }
    for (index, type) in results.enumerated() {
      guard let type, let parameter = output(at: index) else { continue }
      try check(type, parameter, Place(isResult: true, index: index, name: parameter.name), &bound)
    }
  }

  /// What an error calls an input or output: put in words only there.
  private struct Place: CustomStringConvertible {
    let isResult: Bool
    let index: Int
    let name: String
    var description: String { "\(isResult ? "output" : "input") \(index) (\(name))" }
  }

  private func check(
    _ type: ValueType, _ parameter: FormalParameter, _ label: Place, _ bound: inout [(place: Place, type: ValueType)?]
  ) throws {
    let hasOthers = parameter.constraint.map { !typeConstraints[$0].otherTypes.isEmpty } ?? false
    if !hasOthers, !parameter.types.isEmpty, !parameter.types.admits(type) {
      throw CameoError.badInput("\(label) is \(type.kindName), but must be \(parameter.types.phrase)")
    }
    if case .variadic(isHomogeneous: false, _) = parameter.option { return }
    guard let constraint = parameter.constraint, let here = TypeSet.key(type) else { return }
    guard let first = bound[constraint] else {
      bound[constraint] = (label, type)
      return
    }
    if here != TypeSet.key(first.type) {
      throw CameoError.badInput(
        "\(label) is \(type.kindName) and \(first.place) is \(first.type.kindName), but both must be of one type")
    }
  }

  private func checkCount(_ count: Int, _ range: ClosedRange<Int>, _ list: [FormalParameter], _ what: String) throws {
    if range.contains(count) { return }
    let expected =
      if range.lowerBound == range.upperBound { "\(range.lowerBound)" } else if range.upperBound == .max {
        "\(range.lowerBound) or more"
      } else { "\(range.lowerBound) to \(range.upperBound)" }
    let names = list.map { $0.isOptional ? $0.name + " (optional)" : $0.isVariadic ? $0.name + "..." : $0.name }
    throw CameoError.badInput(
      "it has \(count) \(what)\(count == 1 ? "" : "s"), \(expected) expected"
        + (names.isEmpty ? "" : ": " + names.joined(separator: ", ")))
  }
}

extension Operator {
  /// Holds a node against the newest signature, where the operator has one (a plugin's may have none).
  public func checkSignature(of node: Node, types: [ValueType?]) throws {
    guard let schema else { return }
    try schema.check(structureOf: node)
    try schema.check(typesOf: types)
  }

  /// Holds the inferred types of a node's outputs against the newest signature.
  public func checkResults(_ results: [ValueType?], types: [ValueType?]) throws {
    try schema?.check(typesOf: types, results: results)
  }
}

extension OperatorSchema.AttributeType {
  init(_ kind: AttributeKind) { self = OperatorSchema.AttributeType(rawValue: Int(kind.rawValue)) ?? .int }

  /// An empty list says nothing of its elements, in files that leave the kind out.
  func admits(_ value: Attribute) -> Bool {
    if Int(value.kind.rawValue) == rawValue { return true }
    switch (self, value) {
    case (.ints, .floats(let list)): return list.isEmpty
    case (.floats, .ints(let list)), (.strings, .ints(let list)): return list.isEmpty
    default: return false
    }
  }

  var phrase: String {
    switch self {
    case .float: "a float"
    case .int: "an int"
    case .string: "a string"
    case .tensor: "a tensor"
    case .graph: "a graph"
    case .floats: "a list of floats"
    case .ints: "a list of ints"
    case .strings: "a list of strings"
    case .tensors: "a list of tensors"
    case .graphs: "a list of graphs"
    case .sparseTensor: "a sparse tensor"
    case .sparseTensors: "a list of sparse tensors"
    case .typeProto: "a type"
    case .typeProtos: "a list of types"
    }
  }
}

extension TypeSet {
  /// The form of a type with its element type's number, 0 where that is unknown; nil for types outside the forms.
  static func place(_ type: ValueType) -> (form: Form, dataType: Int)? {
    func number(_ type: DataType?) -> Int { type.map { Int($0.rawValue) } ?? 0 }
    switch type {
    case .tensor(let element, _), .sparse(let element, _): return (.tensor, number(element))
    case .sequence(.tensor(let element, _)): return (.sequence, number(element))
    case .optional(.tensor(let element, _)): return (.optional, number(element))
    case .optional(.sequence(.tensor(let element, _))): return (.optionalSequence, number(element))
    case .map(let key, .tensor(let element, _)): return (key == .string ? .mapString : .mapInt64, number(element))
    case .sequence(.map(let key, .tensor(let element, _))):
      return (key == .string ? .sequenceOfMapString : .sequenceOfMapInt64, number(element))
    default: return nil
    }
  }

  /// One number for form and element type; nil where the element type is unknown.
  static func key(_ type: ValueType) -> Int? {
    guard let (form, number) = place(type), number > 0 else { return nil }
    return form.rawValue * 64 + number
  }

  /// True unless the type is known to lie outside.
  func admits(_ type: ValueType) -> Bool {
    guard let (form, number) = TypeSet.place(type) else { return true }
    return number > 0 ? contains(form, dataType: number) : mask(form) != 0
  }

  /// "float, double or float16"; forms other than tensors in full.
  var phrase: String {
    let names = typeStrings.map { $0.hasPrefix("tensor(") ? String($0.dropFirst(7).dropLast()) : $0 }
    guard names.count > 1, let last = names.last else { return names.first ?? "nothing" }
    return names.dropLast().joined(separator: ", ") + " or " + last
  }
}

extension ValueType {
  /// The type without dimensions: "float", "seq(int64)".
  var kindName: String {
    func name(_ type: DataType?) -> String { type?.name ?? "a tensor" }
    return switch self {
    case .tensor(let type, _): name(type)
    case .sparse(let type, _): "sparse \(name(type))"
    case .sequence(let element): "seq(\(element.kindName))"
    case .optional(let element): "optional(\(element.kindName))"
    case .map(let key, let value): "map(\(key), \(value.kindName))"
    case .opaque: "\(self)"
    }
  }
}

extension Value {
  /// The type without dimensions.
  var elementType: ValueType? {
    switch self {
    case .tensor(let tensor): .tensor(tensor.dataType, nil)
    case .sparse(let sparse): .sparse(sparse.values.dataType, nil)
    case .sequence(let elements): elements.first?.elementType.map { .sequence($0) }
    case .optional(let element): element?.elementType.map { .optional($0) }
    case .map(let map): map.values.first?.elementType.map { .map(map.keys.dataType, $0) }
    }
  }
}

extension Node {
  /// "input 1 (B)": how messages name an input.
  func label(input index: Int) -> String {
    let name = SchemaRegistry.newest(domain: domain, name: type)?.input(at: index)?.name
    return "input \(index)" + (name.map { " (\($0))" } ?? "")
  }
}
