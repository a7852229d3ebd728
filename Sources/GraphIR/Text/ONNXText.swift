import Tensors

/// ONNX's text form: parsing and printing. Errors of parsing are `.badInput` (`.limit` for nesting) that start with
/// "line L, column C: " and say what was expected; no text makes it trap.
///
/// As in onnx's own parser, `float` is a scalar, `float[]` a tensor of unknown rank, and the narrow floats (float16, bfloat16,
/// float8) are written as bit patterns. Nodes stand in the graph as written: opset upgrades are ONNXFormat's job.
public enum ONNXText {
  /// The opset of the standard domain that a model without header has.
  public static let newestOpset = 28

  /// Parses a model: an optional header, the main graph, functions.
  public static func parseModel(_ text: String) throws -> Model {
    var parser = TextParser(text)
    let syntax = try parser.model()
    var model = Model(graph: try build(syntax.graph, parser))
    model.opsets = syntax.header.opsets ?? ["": newestOpset]
    if let version = syntax.header.integer("ir_version") { model.irVersion = Int(version) }
    model.modelVersion = syntax.header.integer("model_version") ?? 0
    model.producerName = syntax.header.string("producer_name") ?? ""
    model.producerVersion = syntax.header.string("producer_version") ?? ""
    model.domain = syntax.header.string("domain") ?? ""
    model.documentation = syntax.header.string("doc_string") ?? ""
    model.metadata = syntax.header.metadata
    for function in syntax.functions { model.functions.append(try build(function, parser)) }
    return model
  }

  /// Parses one graph: `name (inputs) => (outputs) <declarations> {nodes}`.
  public static func parseGraph(_ text: String) throws -> Graph {
    var parser = TextParser(text)
    let syntax = try parser.graph()
    try parser.expectEnd()
    return try build(syntax, parser)
  }

  /// Parses one function with its header.
  public static func parseFunction(_ text: String) throws -> Function {
    var parser = TextParser(text)
    let syntax = try parser.function()
    try parser.expectEnd()
    return try build(syntax, parser)
  }

  /// Parses one node statement, names unresolved.
  public static func parseNode(_ text: String) throws -> StatementSyntax {
    var parser = TextParser(text)
    let syntax = try parser.statement()
    try parser.expectEnd()
    return syntax
  }

  /// Parses a type: `float[N, 3]`, `seq(float[])`.
  public static func parseType(_ text: String) throws -> ValueType {
    var parser = TextParser(text)
    let syntax = try parser.type()
    try parser.expectEnd()
    var values = TextValues(scanner: parser.scanner)
    return values.type(syntax)
  }

  /// Parses a tensor: `float[2] {1, 2}`.
  public static func parseTensor(_ text: String) throws -> Tensor {
    var parser = TextParser(text)
    let syntax = try parser.tensor()
    try parser.expectEnd()
    return try TextValues(scanner: parser.scanner).tensor(syntax)
  }

  /// Appends node statements to the main region of `graph`. `names` are the values they may read; the result adds those they
  /// define. On error `graph` stays as it was.
  @discardableResult
  public static func append(
    _ text: String, to graph: inout Graph, names: [String: ValueID] = [:]
  ) throws -> [String: ValueID] {
    var parser = TextParser(text)
    var statements: [StatementSyntax] = []
    while !parser.scanner.isAtEnd() { statements.append(try parser.statement()) }
    var builder = TextBuilder(parser, into: graph, names: names)
    for statement in statements { try builder.append(statement) }
    graph = builder.graph
    return builder.names
  }

  private static func build(_ syntax: GraphSyntax, _ parser: TextParser) throws -> Graph {
    var builder = TextBuilder(parser, into: Graph(name: syntax.name))
    try builder.fill(.main, with: syntax)
    return builder.graph
  }

  private static func build(_ syntax: FunctionSyntax, _ parser: TextParser) throws -> Function {
    var defaults: [NamedAttribute] = []
    for attribute in syntax.attributeDefaults {
      if case .graph = attribute.value {
        throw parser.scanner.error(at: attribute.offset, "a function's attribute has no graph as default")
      }
      var builder = TextBuilder(parser)
      defaults.append(NamedAttribute(attribute.name, try builder.build(attribute)))
    }
    var names = Set<String>()
    for name in syntax.attributeNames + defaults.map(\.name) where !names.insert(name).inserted {
      throw parser.scanner.error(at: syntax.body.offset, "attribute \(name) is declared twice")
    }
    var kinds: [String: AttributeKind] = [:]
    for attribute in defaults { kinds[attribute.name] = attribute.value.kind }
    var builder = TextBuilder(parser, into: Graph(name: syntax.body.name), parameterKinds: kinds)
    try builder.fill(.main, with: syntax.body)
    return Function(
      OperatorName(syntax.body.name, domain: syntax.header.string("domain") ?? ""),
      overload: syntax.header.string("overload") ?? "", body: builder.graph, attributeNames: syntax.attributeNames,
      attributeDefaults: defaults, opsets: syntax.header.opsets ?? ["": newestOpset]
    ).documented(syntax.header)
  }
}

extension Function {
  fileprivate func documented(_ header: HeaderSyntax) -> Function {
    var copy = self
    copy.documentation = header.string("doc_string") ?? ""
    copy.metadata = header.metadata
    return copy
  }
}
