import Tensors

extension TextParser {
  // MARK: Nodes

  /// Reads `[label] y, z = Op <attributes> (operands)`.
  public mutating func statement() throws -> StatementSyntax {
    _ = scanner.peek()
    let offset = scanner.offset
    var label = ""
    if scanner.matches("[") {
      label = try scanner.name() ?? ""
      try scanner.expect("]")
    }
    let outputs = try names()
    try scanner.expect("=")
    return StatementSyntax(label: label, outputs: outputs, call: try call(), offset: offset)
  }

  /// Reads `{statement ...}`.
  public mutating func statements() throws -> [StatementSyntax] {
    try scanner.expect("{")
    var result: [StatementSyntax] = []
    while !scanner.matches("}") {
      if scanner.isAtEnd() { throw scanner.expectation("'}'") }
      result.append(try statement())
    }
    return result
  }

  /// Reads names with commas between them; an empty one may be `""` or nothing before a comma.
  private mutating func names() throws -> [NameSyntax] {
    var result: [NameSyntax] = []
    repeat {
      let next = scanner.peek()
      let offset = scanner.offset
      if let name = try scanner.name() {
        result.append(NameSyntax(name, offset: offset))
      } else if next == UInt8(ascii: ",") {
        result.append(NameSyntax("", offset: offset))
      } else {
        break
      }
    } while scanner.matches(",")
    return result
  }

  /// Reads a call: operator, attributes before or after the operands.
  public mutating func call() throws -> CallSyntax {
    try nested { try $0.callHere() }
  }

  private mutating func callHere() throws -> CallSyntax {
    _ = scanner.peek()
    let offset = scanner.offset
    var name = try scanner.expectName("an operator's name")
    var domain = ""
    while scanner.matches(".") {
      domain += domain.isEmpty ? name : "." + name
      name = try scanner.expectName("an operator's name after '.'")
    }
    if name.isEmpty { throw scanner.error(at: offset, "an operator's name is empty") }
    let overload = scanner.matches(":") ? try scanner.expectName("an overload's name") : ""
    var attributes = try attributes()
    try scanner.expect("(")
    let inputs = try operands()
    try scanner.expect(")")
    if attributes.isEmpty { attributes = try self.attributes() }
    return CallSyntax(
      OperatorName(name, domain: domain), overload: overload, attributes: attributes, inputs: inputs, offset: offset)
  }

  private mutating func operands() throws -> [OperandSyntax] {
    var result: [OperandSyntax] = []
    repeat {
      let next = scanner.peek()
      if let operand = try operand() {
        result.append(operand)
      } else if next == UInt8(ascii: ",") {
        result.append(.omitted(offset: scanner.offset))
      } else {
        break
      }
    } while scanner.matches(",")
    return result
  }

  /// Reads an operand where one comes next. Without `rules`, a name or `""`.
  public mutating func operand() throws -> OperandSyntax? {
    let next = scanner.peek()
    let offset = scanner.offset
    if rules {
      if scanner.matches("$") {
        return .variable(try scanner.expectIdentifier("a variable's name after '$'"), offset: offset)
      }
      // A word before a bracket is an operator, before a dot a domain.
      var copy = scanner
      if copy.identifier() != nil, [UInt8(ascii: "("), UInt8(ascii: "<"), UInt8(ascii: ".")].contains(copy.peek()) {
        return .call(try call())
      }
      if next != UInt8(ascii: "\"") {
        if let number = try scanner.number() { return .literal(.number(number)) }
        if nextIsType() { return .tensor(try tensor()) }
      }
    }
    guard let name = try scanner.name() else { return nil }
    return name.isEmpty ? .omitted(offset: offset) : .name(name, offset: offset)
  }

  // MARK: Graphs

  /// Reads `name (inputs) => (outputs) <declarations> {statements}`.
  public mutating func graph() throws -> GraphSyntax {
    try nested { parser in
      let name = try parser.scanner.expectName("a graph's name")
      return try parser.graph(named: name)
    }
  }

  mutating func graph(named name: String) throws -> GraphSyntax {
    let offset = scanner.offset
    var inputs: [ParameterSyntax] = []
    if scanner.peek(is: "(") { inputs = try parameters(allowingValues: true) }
    try scanner.expect("=>")
    let outputs = try parameters(allowingValues: false)
    var declarations: [ParameterSyntax] = []
    if scanner.matches("<"), !scanner.matches(">") {
      repeat { declarations.append(try parameter(allowingValue: true)) } while scanner.matches(",")
      try scanner.expect(">")
    }
    return GraphSyntax(
      name: name, inputs: inputs, outputs: outputs, declarations: declarations, statements: try statements(),
      offset: offset)
  }

  private mutating func parameters(allowingValues: Bool) throws -> [ParameterSyntax] {
    try scanner.expect("(")
    if scanner.matches(")") { return [] }
    var result: [ParameterSyntax] = []
    repeat { result.append(try parameter(allowingValue: allowingValues)) } while scanner.matches(",")
    try scanner.expect(")")
    return result
  }

  /// Reads `float[N] x`, `x`, or with a value `float[2] x = {1, 2}`.
  mutating func parameter(allowingValue: Bool) throws -> ParameterSyntax {
    let type = nextIsType() ? try type() : nil
    _ = scanner.peek()
    let offset = scanner.offset
    let name = try scanner.expectName(type == nil ? "a type or a value's name" : "a value's name")
    if name.isEmpty { throw scanner.error(at: offset, "a value's name is empty") }
    var result = ParameterSyntax(type: type, name: name, offset: offset)
    if allowingValue, scanner.matches("=") {
      guard let type else { throw scanner.error(at: offset, "the constant \(name) needs a type") }
      result.value = try tensor(type: type, offset: offset)
    }
    return result
  }

  // MARK: Models

  private static let modelKeys: Set<String> = [
    "ir_version", "opset_import", "producer_name", "producer_version", "domain", "model_version", "doc_string",
    "metadata_props",
  ]
  private static let functionKeys: Set<String> = ["opset_import", "doc_string", "domain", "overload", "metadata_props"]

  public mutating func model() throws -> ModelSyntax {
    let header = try header(keys: Self.modelKeys)
    let graph = try graph()
    var functions: [FunctionSyntax] = []
    while !scanner.isAtEnd() { functions.append(try function()) }
    return ModelSyntax(header: header, graph: graph, functions: functions)
  }

  public mutating func function() throws -> FunctionSyntax {
    let header = try header(keys: Self.functionKeys)
    let name = try scanner.expectName("a function's name")
    var names: [String] = []
    var defaults: [AttributeSyntax] = []
    if scanner.matches("<"), !scanner.matches(">") {
      repeat {
        _ = scanner.peek()
        let offset = scanner.offset
        let attribute = try scanner.expectName("an attribute's name")
        if scanner.peek(is: ":") || scanner.peek(is: "=") {
          defaults.append(try self.attribute(named: attribute, offset: offset))
        } else {
          names.append(attribute)
        }
      } while scanner.matches(",")
      try scanner.expect(">")
    }
    return FunctionSyntax(
      header: header, attributeNames: names, attributeDefaults: defaults, body: try graph(named: name))
  }

  /// Reads `<key: value, ...>` where it comes next.
  private mutating func header(keys: Set<String>) throws -> HeaderSyntax {
    var header = HeaderSyntax()
    guard scanner.matches("<"), !scanner.matches(">") else { return header }
    repeat {
      let before = scanner
      guard let key = scanner.identifier(), keys.contains(key) else {
        throw before.expectation("one of " + keys.sorted().joined(separator: ", "))
      }
      if header.entries[key] != nil { throw before.expectation("\(key) only once") }
      try scanner.expect(":")
      switch key {
      case "ir_version", "model_version": header.entries[key] = .integer(try scanner.expectInteger("an integer"))
      case "opset_import": header.entries[key] = .opsets(try opsets())
      case "metadata_props": header.entries[key] = .metadata(try metadata())
      default: header.entries[key] = .string(try scanner.expectString("a string"))
      }
    } while scanner.matches(",")
    try scanner.expect(">")
    return header
  }

  private mutating func opsets() throws -> [String: Int] {
    var result: [String: Int] = [:]
    try scanner.expect("[")
    if scanner.matches("]") { return result }
    repeat {
      let domain = try scanner.expectString("a domain in quotes")
      try scanner.expect(":")
      result[domain == "ai.onnx" ? "" : domain] = Int(try scanner.expectInteger("an opset version"))
    } while scanner.matches(",")
    try scanner.expect("]")
    return result
  }

  private mutating func metadata() throws -> [MetadataEntry] {
    var result: [MetadataEntry] = []
    try scanner.expect("[")
    if scanner.matches("]") { return result }
    repeat {
      let key = try scanner.expectString("a key in quotes")
      try scanner.expect(":")
      result.append(MetadataEntry(key: key, value: try scanner.expectString("a string")))
    } while scanner.matches(",")
    try scanner.expect("]")
    return result
  }
}
