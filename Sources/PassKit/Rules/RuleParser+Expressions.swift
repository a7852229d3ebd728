import GraphIR
import Tensors

/// Operator precedence, loosest first: `||`, `&&`, `!`, comparisons and `in`, `+ -`, `* / %`, unary `-`.
extension RuleParser {
  private mutating func place() -> Int {
    scanner.skipSpace()
    return scanner.offset
  }

  mutating func expression() throws -> RuleExpression {
    try scanner.enter()
    defer { scanner.leave() }
    let offset = place()
    var left = try conjunction()
    while scanner.matches("||") { left = RuleExpression(node: .binary("||", left, try conjunction()), offset: offset) }
    return left
  }

  private mutating func conjunction() throws -> RuleExpression {
    let offset = place()
    var left = try comparison()
    while scanner.matches("&&") { left = RuleExpression(node: .binary("&&", left, try comparison()), offset: offset) }
    return left
  }

  private mutating func comparison() throws -> RuleExpression {
    let offset = place()
    if scanner.matches("!") {
      try scanner.enter()
      defer { scanner.leave() }
      return RuleExpression(node: .unary("!", try comparison()), offset: offset)
    }
    let left = try sum()
    if scanner.matches("==") { return RuleExpression(node: .binary("==", left, try sum()), offset: offset) }
    if scanner.matches("!=") { return RuleExpression(node: .binary("!=", left, try sum()), offset: offset) }
    if scanner.matches("<=") { return RuleExpression(node: .binary("<=", left, try sum()), offset: offset) }
    if scanner.matches(">=") { return RuleExpression(node: .binary(">=", left, try sum()), offset: offset) }
    if scanner.matches("<") { return RuleExpression(node: .binary("<", left, try sum()), offset: offset) }
    if scanner.matches(">") { return RuleExpression(node: .binary(">", left, try sum()), offset: offset) }
    if scanner.matches(word: "in") {
      let list = place()
      var items: [RuleExpression] = []
      try scanner.expect("(")
      repeat { items.append(try sum()) } while scanner.matches(",")
      try scanner.expect(")")
      return RuleExpression(node: .binary("in", left, RuleExpression(node: .list(items), offset: list)), offset: offset)
    }
    return left
  }

  /// The expressions that stand in rewrites: no comparisons, so that `>` can end a list of attributes.
  mutating func sum() throws -> RuleExpression {
    let offset = place()
    var left = try product()
    while true {
      if scanner.matches("+") {
        left = RuleExpression(node: .binary("+", left, try product()), offset: offset)
      } else if scanner.matches("-") {
        left = RuleExpression(node: .binary("-", left, try product()), offset: offset)
      } else {
        return left
      }
    }
  }

  private mutating func product() throws -> RuleExpression {
    let offset = place()
    var left = try factor()
    while true {
      if scanner.matches("*") {
        left = RuleExpression(node: .binary("*", left, try factor()), offset: offset)
      } else if scanner.matches("/") {
        left = RuleExpression(node: .binary("/", left, try factor()), offset: offset)
      } else if scanner.matches("%") {
        left = RuleExpression(node: .binary("%", left, try factor()), offset: offset)
      } else {
        return left
      }
    }
  }

  private mutating func factor() throws -> RuleExpression {
    try scanner.enter()
    defer { scanner.leave() }
    let offset = place()
    func made(_ node: RuleExpression.Node) -> RuleExpression { RuleExpression(node: node, offset: offset) }
    var copy = scanner
    if copy.matches("-"), !(TextScanner.isNumberStart(copy.peek())) {
      scanner = copy
      return made(.unary("-", try factor()))
    }
    if scanner.matches("$") { return made(.capture(try scanner.expectIdentifier("a name after '$'"))) }
    if scanner.matches("(") {
      let inner = try expression()
      try scanner.expect(")")
      return inner
    }
    if scanner.matches("[") {
      var items: [RuleExpression] = []
      if scanner.matches("]") { return made(.list([])) }
      repeat { items.append(try sum()) } while scanner.matches(",")
      try scanner.expect("]")
      return made(.list(items))
    }
    if let word = try scanner.string() { return made(.string(word)) }
    // `float {1}` is a tensor, `float` alone the name of a type.
    if text.nextIsType() {
      var ahead = text
      if let type = try? ahead.type() {
        if ahead.scanner.peek(is: "{") { return made(.tensor(try text.tensor())) }
        if case .tensor(let element?, []) = type {
          text = ahead
          return made(.name(element.name))
        }
      }
      throw scanner.expectation("a tensor or the name of an element type")
    }
    if let number = try scanner.number() { return made(.number(number)) }
    let before = scanner
    guard let name = scanner.identifier() else { throw before.expectation("an expression") }
    guard scanner.matches("(") else { return made(.name(name)) }
    var arguments: [RuleExpression] = []
    if scanner.matches(")") { return made(.function(name, [])) }
    repeat { arguments.append(try expression()) } while scanner.matches(",")
    try scanner.expect(")")
    return made(.function(name, arguments))
  }
}

extension TextScanner {
  fileprivate static func isNumberStart(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
}
