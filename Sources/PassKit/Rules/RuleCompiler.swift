import GraphIR
import Operators
import Tensors

/// Makes a `PatternRule` of one spelling of a rule. Whatever can be wrong whatever the graph is refused here, with its place.
struct RuleCompiler {
  private let rule: RuleSyntax
  /// The rule's match with forms replaced.
  private let statements: [MatchStatement]
  private let scanner: TextScanner
  private let parser: TextParser

  private var nodes: [PatternNode] = []
  private var defined: Set<String> = []
  private var variables: Set<String> = []
  private var constants: Set<String> = []
  private var captures: [RuleAttributeCapture] = []
  private var results: [String] = []
  private var anonymous = 0
  private var hasMovement = false

  /// Every spelling of `rule` under one name. `isLazy`: each is made, and what is wrong with it found, when it is first needed.
  static func compile(
    _ rule: RuleSyntax, name: String, _ parser: RuleParser, _ forms: inout FormExpander, isLazy: Bool
  ) throws -> [any RewriteRule] {
    if isLazy {
      return [
        LazySpellings(name, rule.match, forms) { statements in
          LazyRule(name, statements) {
            var checked: Set<Known> = []
            return try RuleCompiler(rule, statements, parser).compile(name: name, &checked)
          }
        }
      ]
    }
    var checked: Set<Known> = []
    return try forms.expand(rule.match).map { try RuleCompiler(rule, $0, parser).compile(name: name, &checked) }
  }

  /// What a match binds: guards and rewrite are checked once for each, as most spellings of a rule bind the same.
  private struct Known: Hashable {
    let names: Set<String>
    let captured: Set<String>
    let constants: Set<String>
  }

  private init(_ rule: RuleSyntax, _ statements: [MatchStatement], _ parser: RuleParser) {
    self.rule = rule
    self.statements = statements
    self.parser = parser.text
    scanner = parser.scanner
  }

  private consuming func compile(name: String, _ checked: inout Set<Known>) throws -> PatternRule {
    var copy = self
    return try copy.build(name, &checked)
  }

  private mutating func build(_ name: String, _ checked: inout Set<Known>) throws -> PatternRule {
    for statement in statements {
      for output in statement.outputs where !output.text.isEmpty {
        if !defined.insert(output.text).inserted {
          throw scanner.error(at: output.offset, "\(output.text) is defined twice")
        }
      }
    }
    for statement in statements {
      try add(statement.call, outputs: statement.outputs.map { $0.text.isEmpty ? nil : $0.text })
    }
    try findResults()
    var names = defined.union(variables).union(constants)
    let captured = Set(captures.map(\.name))
    // Names that forms made up begin with %, and no guard can say them.
    let own = names.filter { $0.utf8.first != UInt8(ascii: "%") }
    let isNew = checked.insert(Known(names: own, captured: captured, constants: constants)).inserted
    for condition in rule.guards {
      if isNew { try check(condition.condition, names, captured) }
      guard let binding = condition.binding else { continue }
      if !names.insert(binding.text).inserted {
        throw scanner.error(at: binding.offset, "\(binding.text) is a name already")
      }
    }
    let known = names
    let rewrite = try RuleRewrite(rule, results: results, matched: defined, scanner: scanner) { expression, extra in
      if isNew { try check(expression, known.union(extra), captured) }
    }
    let guards = rule.guards
    let captures = captures
    let isFusion = nodes.count > 1 && rule.level > 1
    return PatternRule(name, isFusion: isFusion, match: Pattern(nodes, results: results)) {
      match, context, change, checkSharing in
      var scope = RuleScope(
        match: match, context: context, attributes: try RuleAttributeCapture.bind(captures, match, context))
      for condition in guards { try scope.check(condition) }
      try checkSharing()
      try rewrite.fill(&change, scope)
    }
  }

  private mutating func findResults() throws {
    if rule.results.isEmpty {
      results = statements[statements.count - 1].outputs.map(\.text).filter { !$0.isEmpty }
      if results.isEmpty { throw scanner.error(at: rule.offset, "the last node of the match has no output to rewrite") }
    }
    for result in rule.results {
      guard defined.contains(result.text) else {
        throw scanner.error(at: result.offset, "the match does not compute \(result.text)")
      }
      results.append(result.text)
    }
  }

  // MARK: Match

  private mutating func add(_ call: MatchCall, outputs: [String?]) throws {
    for name in call.operators { try checkOperator(name, at: call.offset) }
    let schema =
      call.operators.count == 1
      ? SchemaRegistry.newest(domain: call.operators[0].domain, name: call.operators[0].name) : nil
    if let schema, call.inputs.count > schema.inputCount.upperBound {
      throw scanner.error(at: call.offset, "\(call.operators[0]) takes at most \(schema.inputCount.upperBound) inputs")
    }
    let index = nodes.count
    nodes.append(PatternNode(operators: call.operators, inputs: [], outputs: outputs))
    var attributes: [PatternAttribute] = []
    for (name, value, offset) in call.attributes {
      if let schema, schema.attribute(name) == nil {
        throw scanner.error(at: offset, "\(call.operators[0]) has no attribute \(name)")
      }
      switch value {
      case .capture(let capture):
        captures.append(RuleAttributeCapture(name: capture, node: index, attribute: name))
      case .value(let syntax):
        attributes.append(PatternAttribute(name, equals: try attribute(syntax, schema?.attribute(name)?.type)))
      }
    }
    var inputs: [PatternInput] = []
    for operand in call.inputs { inputs.append(try input(operand, of: call)) }
    var node = PatternNode(operators: call.operators, inputs: inputs, outputs: outputs, attributes: attributes)
    // Division by a number and subtraction of one are matched in the canonical spelling.
    if call.operators.count == 1, inputs.count == 2, case .constant(nil, .equal(let number)) = inputs[1] {
      if call.operators[0] == OperatorName("Div"), number != 0 {
        node.operators = [OperatorName("Mul")]
        node.inputs[1] = .constant(nil, .equal(1 / number))
      } else if call.operators[0] == OperatorName("Sub") {
        node.operators = [OperatorName("Add")]
        node.inputs[1] = .constant(nil, .equal(-number))
      }
    }
    node.isKey = call.isKey
    node.isOptional = call.isOptional
    node.mayBeShared = call.mayBeShared
    node.allowsMoreInputs = call.allowsMoreInputs
    if call.isOptional {
      guard case .value? = inputs.first else {
        throw scanner.error(at: call.offset, "an optional node's first operand stands in for it, so it must be a value")
      }
    }
    nodes[index] = node
  }

  private mutating func input(_ operand: MatchOperand, of call: MatchCall) throws -> PatternInput {
    switch operand {
    case .absent: return .absent
    case .any: return .any
    case .name(let name, let offset):
      if constants.contains(name) { throw scanner.error(at: offset, "\(name) is a constant: write $\(name)") }
      if !defined.contains(name) { variables.insert(name) }
      return .value(name)
    case .capture(let name, let offset):
      if defined.contains(name) || variables.contains(name) {
        throw scanner.error(at: offset, "\(name) is a value already, so it cannot be a constant's name")
      }
      constants.insert(name)
      return .constant(name, .any)
    case .number(let number):
      guard let value = number.double else { throw scanner.error(at: number.offset, "\(number.text) is no number") }
      return .constant(nil, .equal(value))
    case .tensor(let syntax):
      let tensor = try literal(syntax)
      return .constant(nil, .matching { $0.isIdentical(to: tensor) })
    case .call(let inner):
      anonymous += 1
      let name = "%n\(anonymous)"
      defined.insert(name)
      try add(inner, outputs: [name])
      return .value(name)
    case .moved(let inner, let offset):
      guard !hasMovement else {
        throw scanner.error(at: offset, "a rule looks through data movement in one place only")
      }
      hasMovement = true
      guard case .value(let name) = try input(inner, of: call) else {
        throw scanner.error(at: offset, "~ stands before a value")
      }
      return .moved(name)
    }
  }

  private func checkOperator(_ name: OperatorName, at offset: Int) throws {
    if name.domain.isEmpty, OperatorRegistry[name] == nil, SchemaRegistry.newest(domain: "", name: name.name) == nil {
      throw scanner.error(at: offset, "there is no operator \(name)")
    }
  }

  private func attribute(_ syntax: AttributeSyntax, _ kind: OperatorSchema.AttributeType?) throws -> Attribute {
    var syntax = syntax
    switch syntax.value {
    case .identifier(let word): syntax.value = .string(word)
    case .number where kind == .float: syntax.annotation = .float
    case .list where kind == .floats: syntax.annotation = .floats
    case .list(let items) where items.isEmpty && kind == .ints: syntax.annotation = .ints
    default: break
    }
    var builder = TextBuilder(parser)
    let value = try builder.build(syntax)
    if let kind, Int(value.kind.rawValue) != kind.rawValue {
      throw scanner.error(
        at: syntax.offset, "\(syntax.name) is of kind \(kind.name), \(value.kind.textName) was written")
    }
    return value
  }

  private func literal(_ syntax: TensorSyntax) throws -> Tensor {
    var builder = TextBuilder(parser)
    guard case .tensor(let tensor) = try builder.build(AttributeSyntax("value", .tensor(syntax), offset: syntax.offset))
    else {
      throw scanner.error(at: syntax.offset, "a tensor was expected")
    }
    return tensor
  }

  // MARK: Expressions

  private func check(_ expression: RuleExpression, _ names: Set<String>, _ captured: Set<String>) throws {
    func fail(_ reason: String) -> CameoError { scanner.error(at: expression.offset, reason) }
    switch expression.node {
    case .number, .string: break
    case .tensor(let syntax): _ = try literal(syntax)
    case .name(let name):
      guard names.contains(name) || name == "opset" || DataType(name: name) != nil else {
        throw fail(
          captured.contains(name) ? "\(name) is an attribute: write $\(name)" : "\(name) is not bound by the match")
      }
    case .capture(let name):
      guard captured.contains(name) || constants.contains(name) else {
        throw fail("$\(name) is not bound by the match")
      }
    case .list(let items): for item in items { try check(item, names, captured) }
    case .unary(_, let inner): try check(inner, names, captured)
    case .binary(_, let left, let right):
      try check(left, names, captured)
      try check(right, names, captured)
    case .function(let name, let arguments):
      guard let arity = RuleFunctions.arity[name] else { throw fail("there is no function \(name)") }
      guard arity.contains(arguments.count) else {
        throw fail("\(name) takes \(arity.lowerBound)\(arity.count > 1 ? " to \(arity.upperBound)" : "") arguments")
      }
      if name == "given" || name == "default" {
        guard case .capture(let capture) = arguments[0].node, captured.contains(capture) else {
          throw fail("\(name) asks for an attribute: $name")
        }
      }
      for argument in arguments { try check(argument, names, captured) }
    }
  }
}

/// `<axis = $a>`.
struct RuleAttributeCapture: Sendable {
  let name: String
  /// Index in the pattern.
  let node: Int
  let attribute: String

  /// The captured attributes of a match; one that stands twice must be the same in both places.
  static func bind(_ captures: [RuleAttributeCapture], _ match: Match, _ context: PassContext) throws -> [String:
    Attribute?]
  {
    var result: [String: Attribute?] = [:]
    for capture in captures {
      guard let id = match.nodes[capture.node] else {
        if result[capture.name] == nil { result[capture.name] = .some(nil) }
        continue
      }
      let node = context.graph[id]
      let value = node[capture.attribute] ?? published(node, capture.attribute)
      if let known = result[capture.name] ?? nil {
        guard let value, known.isIdentical(to: value) else {
          throw Refusal("attribute \(capture.attribute) differs from the one captured as $\(capture.name)", at: id)
        }
      }
      result[capture.name] = .some(value)
    }
    return result
  }

  private static func published(_ node: Node, _ name: String) -> Attribute? {
    switch SchemaRegistry.newest(domain: node.domain, name: node.type)?.defaultValue(name) {
    case .int(let value): .int(value)
    case .float(let value): .float(value)
    case .string(let value): .string(value)
    case .ints(let values): .ints(values)
    case .floats(let values): .floats(values)
    case .strings(let values): .strings(values)
    default: nil
    }
  }
}
