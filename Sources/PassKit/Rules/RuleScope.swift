import GraphIR
import Operators
import Tensors

/// Evaluates the expressions of one rule over one match. What cannot be told throws a `Refusal`.
struct RuleScope {
  let match: Match
  let context: PassContext
  /// Attributes by captured name; nil where the node has none and the standard no default.
  let attributes: [String: Attribute?]
  /// What `let` has named so far.
  private(set) var locals: [String: RuleValue] = [:]

  init(match: Match, context: PassContext, attributes: [String: Attribute?]) {
    self.match = match
    self.context = context
    self.attributes = attributes
  }

  func evaluate(_ expression: RuleExpression) throws -> RuleValue {
    switch expression.node {
    case .number(let number):
      if number.isInteger, let value = Int(number.text) { return .dim(Dim(value)) }
      guard let value = number.double else { throw Refusal("\(number.text) is no number") }
      return .number(value)
    case .string(let text): return .text(text)
    case .tensor(let syntax): return .tensor(try RuleScope.tensor(syntax), isWeak: false)
    case .list(let items): return .list(try items.map { try evaluate($0) })
    case .name(let name):
      if let local = locals[name] { return local }
      if name == "opset" { return .dim(Dim(highestOpset)) }
      if let operand = match[name] { return value(operand) }
      if let type = DataType(name: name) { return .type(type) }
      throw Refusal("\(name) is not there")
    case .capture(let name):
      if let operand = match[name] {
        guard let tensor = operand.tensor(context) else {
          throw Refusal("\(name) is not constant", at: node(named: name))
        }
        return .tensor(tensor, isWeak: operand.valueID == nil)
      }
      guard let attribute = attributes[name] ?? nil else { throw Refusal("the attribute \(name) is not given") }
      return RuleValue(attribute)
    case .unary(let symbol, let inner):
      if symbol == "!" { return .bool(!(try condition(inner))) }
      return try RuleArithmetic.apply("-", .dim(0), try computed(inner))
    case .binary(let symbol, let left, let right): return try binary(symbol, left, right)
    case .function(let name, let arguments): return try RuleFunctions.call(name, arguments, self)
    }
  }

  /// A literal tensor. Checked when the rule is compiled.
  static func tensor(_ syntax: TensorSyntax) throws -> Tensor {
    var builder = TextBuilder(TextParser(""))
    guard case .tensor(let tensor) = try builder.build(AttributeSyntax("value", .tensor(syntax))) else {
      throw CameoError.badInput("a tensor was expected")
    }
    return tensor
  }

  private func value(_ operand: Operand) -> RuleValue {
    switch operand {
    case .value(let id): .graph(id)
    case .computed(let tensor): .tensor(tensor, isWeak: true)
    }
  }

  /// The newest opset that the rewrite may use.
  private var highestOpset: Int {
    max(context.options.opsetCeiling, context.options.maximumOpset == nil ? context.sourceOpset : 0)
  }

  func condition(_ expression: RuleExpression) throws -> Bool {
    guard case .bool(let value) = try evaluate(expression) else {
      throw Refusal("a condition is neither true nor false")
    }
    return value
  }

  /// The value, a constant of the graph as its tensor.
  func computed(_ expression: RuleExpression) throws -> RuleValue {
    let value = try evaluate(expression)
    guard case .graph(let id) = value else { return value }
    guard let tensor = context.constant(id) else {
      throw Refusal("\(context.graph[id].name) is not constant", at: context.graph.producer(id))
    }
    return .tensor(tensor, isWeak: false)
  }

  /// The value of the graph that the expression names.
  func operand(_ expression: RuleExpression) throws -> ValueID {
    guard case .graph(let id) = try evaluate(expression) else { throw Refusal("a value of the graph was expected") }
    return id
  }

  private func binary(_ symbol: String, _ left: RuleExpression, _ right: RuleExpression) throws -> RuleValue {
    switch symbol {
    case "&&": return .bool(try condition(left) && condition(right))
    case "||": return .bool(try condition(left) || condition(right))
    case "in":
      guard case .list(let items) = try evaluate(right) else { return .bool(false) }
      let value = try evaluate(left)
      return .bool(items.contains { value.equals($0) == true })
    case "==", "!=":
      let (a, b) = (try evaluate(left), try evaluate(right))
      if case .graph(let x) = a, case .graph(let y) = b { return .bool((x == y) == (symbol == "==")) }
      guard let same = try computed(left).equals(try computed(right)) else {
        throw Refusal("\(a.description) and \(b.description) are not known to be equal")
      }
      return .bool(same == (symbol == "=="))
    case "<", "<=", ">", ">=":
      let (a, b) = (try computed(left), try computed(right))
      guard let x = a.double, let y = b.double else {
        throw Refusal("\(a.description) and \(b.description) cannot be compared")
      }
      switch symbol {
      case "<": return .bool(x < y)
      case "<=": return .bool(x <= y)
      case ">": return .bool(x > y)
      default: return .bool(x >= y)
      }
    default: return try RuleArithmetic.apply(symbol, try computed(left), try computed(right))
    }
  }

  /// The matched node that computes `name`, else the first that reads it.
  func node(named name: String) -> NodeID? {
    if let id = match.node(name) { return id }
    for (index, node) in match.pattern.nodes.enumerated() {
      for input in node.inputs {
        switch input {
        case .value(name), .constant(name, _): if let id = match.nodes[index] { return id }
        default: break
        }
      }
    }
    return nil
  }

  /// Throws the refusal of a guard that does not hold; keeps what a `let` names.
  mutating func check(_ condition: GuardSyntax) throws {
    let place = condition.condition.names.compactMap { node(named: $0) }.first ?? match.matchedNodes.first
    do {
      if let binding = condition.binding {
        locals[binding.text] = try evaluate(condition.condition)
        return
      }
      if try self.condition(condition.condition) { return }
    } catch let refusal as Refusal {
      throw Refusal(
        condition.sentence.map(filled) ?? "\(condition.text) is not known: \(refusal.reason)", at: refusal.node ?? place
      )
    }
    if let sentence = condition.sentence { throw Refusal(filled(sentence), at: place) }
    var details = ""
    if case .binary(_, let left, _) = condition.condition.node, let found = try? evaluate(left), case .bool = found {
    } else if case .binary(_, let left, _) = condition.condition.node, let found = try? computed(left) {
      details = ", it is \(found.description)"
    }
    throw Refusal("\(condition.text) does not hold\(details)", at: place)
  }
}

extension RuleScope {
  /// The sentence with `{expression}` replaced by what it evaluates to, where that is known.
  private func filled(_ sentence: String) -> String {
    guard sentence.contains("{") else { return sentence }
    var result = ""
    var rest = Substring(sentence)
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      result += rest[..<open]
      let text = String(rest[rest.index(after: open)..<close])
      var parser = RuleParser(text)
      if let expression = try? parser.sum(), parser.scanner.isAtEnd(), let value = try? computed(expression) {
        result += value.description
      } else {
        result += text
      }
      rest = rest[rest.index(after: close)...]
    }
    return result + rest
  }
}

extension RuleExpression {
  /// Every name and capture in it, in order.
  var names: [String] {
    switch node {
    case .name(let name), .capture(let name): [name]
    case .list(let items): items.flatMap(\.names)
    case .function(_, let arguments): arguments.flatMap(\.names)
    case .unary(_, let inner): inner.names
    case .binary(_, let left, let right): left.names + right.names
    case .number, .string, .tensor: []
    }
  }
}
