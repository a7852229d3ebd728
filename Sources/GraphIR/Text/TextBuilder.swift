import Tensors

/// Builds a `Graph` from its syntax tree: names become values, in order; bodies see the names around them.
public struct TextBuilder {
  public private(set) var graph: Graph
  var values: TextValues
  /// The names in scope, innermost region last.
  private var scopes: [[String: ValueID]] = [[:]]
  /// Types stated for values that are not defined yet, by region.
  private var pendingTypes: [[String: (TypeSyntax, Int)]] = [[:]]
  private let parameterKinds: [String: AttributeKind]

  /// Builds into `graph`, whose values `names` may be read by name. `parser` made the syntax tree. `parameterKinds` are the
  /// kinds of a function's attributes where its defaults tell them.
  public init(
    _ parser: TextParser, into graph: Graph = Graph(), names: [String: ValueID] = [:],
    parameterKinds: [String: AttributeKind] = [:]
  ) {
    self.graph = graph
    values = TextValues(scanner: parser.scanner)
    scopes = [names]
    self.parameterKinds = parameterKinds
  }

  private var scanner: TextScanner { values.scanner }

  /// The value of that name, in scope now.
  public func value(named name: String) -> ValueID? {
    for scope in scopes.reversed() {
      if let found = scope[name] { return found }
    }
    return nil
  }

  /// The names of the outermost scope.
  public var names: [String: ValueID] { scopes[0] }

  private func read(_ name: String, at offset: Int) throws -> ValueID {
    guard let found = value(named: name) else { throw scanner.error(at: offset, "\(name) is not defined") }
    return found
  }

  private mutating func define(_ name: String, at offset: Int, type: ValueType?, in region: RegionID) throws -> ValueID
  {
    guard scopes[scopes.count - 1][name] == nil else { throw scanner.error(at: offset, "\(name) is defined twice") }
    let id = graph.addValue(name: name, type: type, in: region)
    scopes[scopes.count - 1][name] = id
    return id
  }

  // MARK: Graphs

  /// Fills an empty region; its scope ends with it.
  mutating func fill(_ region: RegionID, with syntax: GraphSyntax) throws {
    scopes.append([:])
    pendingTypes.append([:])
    defer {
      scopes.removeLast()
      pendingTypes.removeLast()
    }
    for input in syntax.inputs {
      let id = try define(input.name, at: input.offset, type: input.type.map { values.type($0) }, in: region)
      graph.addInput(id, to: region)
      if let value = input.value { graph.setConstant(.tensor(try values.tensor(value)), of: id) }
    }
    for declaration in syntax.declarations { try declare(declaration, in: region) }
    for output in syntax.outputs {
      let top = pendingTypes.count - 1
      if let type = output.type, scopes[top][output.name] == nil, pendingTypes[top][output.name] == nil {
        pendingTypes[top][output.name] = (type, output.offset)
      }
    }
    for statement in syntax.statements { try append(statement, to: region) }
    var outputs: [ValueID] = []
    for output in syntax.outputs {
      let id = try read(output.name, at: output.offset)
      if let type = output.type, graph[id].type == nil { graph.setType(values.type(type), of: id) }
      pendingTypes[pendingTypes.count - 1][output.name] = nil
      outputs.append(id)
    }
    graph.setOutputs(outputs, of: region)
    let left = pendingTypes[pendingTypes.count - 1].min { $0.value.1 < $1.value.1 }
    if let left { throw scanner.error(at: left.value.1, "\(left.key) has a type but is not defined") }
  }

  /// A constant, or the type of a value still to come.
  private mutating func declare(_ declaration: ParameterSyntax, in region: RegionID) throws {
    let name = declaration.name
    let top = scopes.count - 1
    if let value = declaration.value {
      let tensor = try values.tensor(value)
      if let known = scopes[top][name], case .regionInput = graph[known].producer, graph[known].constant == nil {
        graph.setConstant(.tensor(tensor), of: known)
        return
      }
      guard scopes[top][name] == nil else { throw scanner.error(at: declaration.offset, "\(name) is defined twice") }
      scopes[top][name] = graph.addConstant(tensor, name: name, in: region)
    } else if let type = declaration.type {
      if let known = scopes[top][name] {
        if graph[known].type == nil { graph.setType(values.type(type), of: known) }
      } else if pendingTypes[top].updateValue((type, declaration.offset), forKey: name) != nil {
        throw scanner.error(at: declaration.offset, "the type of \(name) is given twice")
      }
    } else {
      throw scanner.error(at: declaration.offset, "\(name) needs a type or a value")
    }
  }

  // MARK: Nodes

  /// Adds one statement's node (a Constant becomes a constant) to `region`. Operands that only rules have are errors.
  public mutating func append(_ statement: StatementSyntax, to region: RegionID = .main) throws {
    let call = statement.call
    var attributes: [NamedAttribute] = []
    for attribute in call.attributes {
      if attributes.contains(where: { $0.name == attribute.name }) {
        throw scanner.error(at: attribute.offset, "attribute \(attribute.name) is given twice")
      }
      attributes.append(NamedAttribute(attribute.name, try build(attribute)))
    }
    if try appendConstant(statement, attributes, region) { return }
    var inputs: [ValueID?] = []
    for operand in call.inputs {
      switch operand {
      case .omitted: inputs.append(nil)
      case .name(let name, let offset): inputs.append(try read(name, at: offset))
      case .variable, .literal, .tensor, .call: throw scanner.error(at: call.offset, "only names can be operands here")
      }
    }
    var outputs: [ValueID?] = []
    for output in statement.outputs {
      outputs.append(output.text.isEmpty ? nil : try define(output, in: region))
    }
    graph.addNode(
      call.operatorName, name: statement.label, inputs: inputs, outputs: outputs, attributes: attributes,
      overload: call.overload, in: region)
  }

  private mutating func define(_ output: NameSyntax, in region: RegionID) throws -> ValueID {
    var type: ValueType?
    if let stated = pendingTypes[pendingTypes.count - 1].removeValue(forKey: output.text) {
      type = values.type(stated.0)
    }
    return try define(output.text, at: output.offset, type: type, in: region)
  }

  private mutating func appendConstant(
    _ statement: StatementSyntax, _ attributes: [NamedAttribute], _ region: RegionID
  ) throws -> Bool {
    guard statement.call.operatorName == OperatorName("Constant"), statement.call.inputs.isEmpty, attributes.count == 1,
      statement.outputs.count == 1, !statement.outputs[0].text.isEmpty,
      let value = try attributes[0].value.constant()
    else { return false }
    let id = try define(statement.outputs[0], in: region)
    graph.setConstant(value, of: id)
    graph.setType(value.staticType, of: id)
    graph.modify(id) { $0.constantForm = .node(name: statement.label, attribute: attributes[0].name) }
    return true
  }

  // MARK: Attributes

  /// The attribute's value. Throws where the value and its annotation differ, and for what only rules have.
  public mutating func build(_ syntax: AttributeSyntax) throws -> Attribute {
    if case .reference(let name) = syntax.value {
      guard let kind = syntax.annotation ?? parameterKinds[name] else {
        throw scanner.error(at: syntax.offset, "a reference needs its type: \(syntax.name): int = @\(name)")
      }
      return .reference(name, kind)
    }
    let result = try build(syntax.value, annotation: syntax.annotation, at: syntax.offset)
    if let kind = syntax.annotation, result.kind != kind {
      throw scanner.error(
        at: syntax.offset, "\(syntax.name) is declared \(kind.textName), its value is \(result.kind.textName)")
    }
    return result
  }

  private mutating func build(
    _ value: AttributeValueSyntax, annotation: AttributeKind?, at offset: Int
  ) throws -> Attribute {
    switch value {
    case .number(let number):
      if number.isInteger, annotation != .float {
        guard let integer = Int64(number.text) else {
          throw scanner.error(at: number.offset, "\(number.text) is not a 64-bit integer")
        }
        return .int(integer)
      }
      guard let float = number.float else { throw scanner.error(at: number.offset, "\(number.text) is no float") }
      return .float(float)
    case .string(let text): return .string(text)
    case .bytes(let bytes): return .bytes(bytes)
    case .tensor(let tensor): return .tensor(try values.tensor(tensor))
    case .sparse(let sparse): return .sparse(try values.sparse(sparse))
    case .type(let type): return .type(values.type(type))
    case .graph(let syntax):
      let region = graph.addRegion(name: syntax.name)
      try fill(region, with: syntax)
      return .graph(region)
    case .list(let items): return try build(list: items, annotation: annotation, at: offset)
    case .reference, .variable, .identifier:
      throw scanner.error(at: offset, "this attribute's value has no meaning here")
    }
  }

  private mutating func build(
    list: [AttributeValueSyntax], annotation: AttributeKind?, at offset: Int
  ) throws -> Attribute {
    let isFloat = annotation == .floats || list.contains { if case .number(let n) = $0 { !n.isInteger } else { false } }
    var items: [Attribute] = []
    for item in list {
      if case .list = item { throw scanner.error(at: offset, "a list holds no lists") }
      items.append(try build(item, annotation: isFloat ? .float : nil, at: offset))
    }
    guard let kind = items.first?.kind else {
      switch annotation {
      case .ints: return .ints([])
      case .floats: return .floats([])
      case .strings: return .strings([])
      case .tensors: return .tensors([])
      case .sparses: return .sparses([])
      case .graphs: return .graphs([])
      case .types: return .types([])
      default: throw scanner.error(at: offset, "an empty list needs its type: axes: ints = []")
      }
    }
    guard items.allSatisfy({ $0.kind == kind }) else {
      throw scanner.error(at: offset, "a list holds values of one kind")
    }
    switch kind {
    case .int: return .ints(items.compactMap { if case .int(let v) = $0 { v } else { nil } })
    case .float: return .floats(items.compactMap { if case .float(let v) = $0 { v } else { nil } })
    case .string:
      let strings = items.compactMap { if case .string(let v) = $0 { v } else { nil } }
      if strings.count != items.count { throw scanner.error(at: offset, "a list of strings holds UTF-8 only") }
      return .strings(strings)
    case .tensor: return .tensors(items.compactMap { if case .tensor(let v) = $0 { v } else { nil } })
    case .sparse: return .sparses(items.compactMap { if case .sparse(let v) = $0 { v } else { nil } })
    case .graph: return .graphs(items.compactMap { if case .graph(let v) = $0 { v } else { nil } })
    default: return .types(items.compactMap { if case .type(let v) = $0 { v } else { nil } })
    }
  }
}

extension Attribute {
  /// The value of a Constant node with this attribute, where it has one.
  fileprivate func constant() throws -> Value? {
    switch self {
    case .tensor(let tensor): .tensor(tensor)
    case .sparse(let sparse): .sparse(sparse)
    case .int(let value): .tensor(try .scalar(value, .int64))
    case .ints(let values): .tensor(try .of(values, .int64))
    case .float(let value): .tensor(try .scalar(value, .float))
    case .floats(let values): .tensor(try .of(values, .float))
    case .string(let value): .tensor(try Tensor(strings: [value], shape: []))
    case .strings(let values): .tensor(try Tensor(strings: values, shape: [values.count]))
    default: nil
    }
  }
}
