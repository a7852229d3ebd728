import GraphIR
import Tensors

/// Parses a rule file into its syntax tree. Errors are `.badInput` that start with "line L, column C: ".
struct RuleParser {
  /// Reads the pieces that rules share with ONNX text.
  var text: TextParser

  init(_ source: String) { text = TextParser(source, rules: true) }

  var scanner: TextScanner {
    get { text.scanner }
    _modify { yield &text.scanner }
  }

  mutating func file() throws -> RuleFileSyntax {
    var result = RuleFileSyntax()
    while !scanner.isAtEnd() {
      if scanner.peekIdentifier() == "form" {
        result.forms.append(try form())
      } else {
        result.rules.append(try rule())
      }
    }
    return result
  }

  private mutating func here() -> Int {
    scanner.skipSpace()
    return scanner.offset
  }

  private mutating func expect(word: StaticString) throws {
    if !scanner.matches(word: word) { throw scanner.expectation("'\(word)'") }
  }

  private mutating func rule() throws -> RuleSyntax {
    let start = here()
    try expect(word: "rule")
    let offset = here()
    let name = try scanner.expectIdentifier("the rule's name")
    var level = 2
    if scanner.matches(word: "level") {
      let before = scanner
      level = Int(clamping: try scanner.expectInteger("a level"))
      if !(0...3).contains(level) { throw before.expectation("a level from 0 to 3") }
    }
    let summary = try scanner.string() ?? "the rule \(name)"
    try scanner.expect("{")
    try expect(word: "match")
    try scanner.expect("{")
    var match: [MatchStatement] = []
    var results: [NameSyntax] = []
    while !scanner.matches("}") {
      if scanner.matches("=>") {
        let isBracketed = scanner.matches("(")
        repeat { results.append(try definedName("a result's name")) } while scanner.matches(",")
        if isBracketed { try scanner.expect(")") }
        try scanner.expect("}")
        break
      }
      match.append(try matchStatement())
      _ = scanner.matches(";")
    }
    if match.isEmpty { throw scanner.error(at: offset, "the rule \(name) matches nothing") }
    var guards: [GuardSyntax] = []
    if scanner.matches(word: "where") {
      try scanner.expect("{")
      while !scanner.matches("}") {
        guards.append(try guardHere())
        if scanner.matches("}") { break }
        try scanner.expect(";")
      }
    }
    try expect(word: "rewrite")
    try scanner.expect("{")
    var rewrite: [RewriteStatement] = []
    while !scanner.matches("}") {
      rewrite.append(try rewriteStatement())
      _ = scanner.matches(";")
    }
    if rewrite.isEmpty { throw scanner.error(at: offset, "the rule \(name) rewrites to nothing") }
    try scanner.expect("}")
    let source = String(decoding: scanner.bytes[start..<scanner.offset], as: UTF8.self)
    return RuleSyntax(
      name: name, level: level, summary: summary, match: match, results: results, guards: guards, rewrite: rewrite,
      offset: offset, source: source)
  }

  // MARK: Forms

  /// `form Name(a, b) { statements call | statements call }`.
  private mutating func form() throws -> FormSyntax {
    let start = here()
    try expect(word: "form")
    let offset = here()
    let name = try scanner.expectIdentifier("the form's name")
    var parameters: [String] = []
    try scanner.expect("(")
    repeat {
      _ = scanner.matches("$")
      let parameter = try definedName("a parameter's name")
      if parameters.contains(parameter.text) {
        throw scanner.error(at: parameter.offset, "\(parameter.text) is a parameter twice")
      }
      parameters.append(parameter.text)
    } while scanner.matches(",")
    try scanner.expect(")")
    try scanner.expect("{")
    var alternatives: [FormAlternative] = []
    repeat {
      var statements: [MatchStatement] = []
      while nextIsStatement() {
        statements.append(try matchStatement())
        _ = scanner.matches(";")
      }
      alternatives.append(FormAlternative(statements: statements, call: try matchCall()))
    } while scanner.matches("|")
    try scanner.expect("}")
    let source = String(decoding: scanner.bytes[start..<scanner.offset], as: UTF8.self)
    return FormSyntax(name: name, parameters: parameters, alternatives: alternatives, offset: offset, source: source)
  }

  /// True where `name =` or `name, ...` comes next.
  private func nextIsStatement() -> Bool {
    var copy = scanner
    return copy.identifier() != nil && [UInt8(ascii: "="), UInt8(ascii: ",")].contains(copy.peek())
  }

  private mutating func definedName(_ what: String) throws -> NameSyntax {
    let offset = here()
    return NameSyntax(try scanner.expectIdentifier(what), offset: offset)
  }

  /// `a, _, b`: `_` is an output of no interest.
  private mutating func outputs() throws -> [NameSyntax] {
    var result: [NameSyntax] = []
    repeat {
      let name = try definedName("a value's name")
      result.append(name.text == "_" ? NameSyntax("", offset: name.offset) : name)
    } while scanner.matches(",")
    try scanner.expect("=")
    return result
  }

  // MARK: Match

  private mutating func matchStatement() throws -> MatchStatement {
    let outputs = try outputs()
    return MatchStatement(outputs: outputs, call: try matchCall())
  }

  private mutating func operatorName() throws -> OperatorName {
    var name = try scanner.expectIdentifier("an operator's name")
    var domain = ""
    while scanner.matches(".") {
      domain += domain.isEmpty ? name : "." + name
      name = try scanner.expectIdentifier("an operator's name after '.'")
    }
    return OperatorName(name, domain: domain)
  }

  private mutating func matchCall() throws -> MatchCall {
    try scanner.enter()
    defer { scanner.leave() }
    let offset = here()
    var call = MatchCall(operators: [], attributes: [], inputs: [], offset: offset)
    if scanner.matches("(") {
      repeat { call.operators.append(try operatorName()) } while scanner.matches("|")
      try scanner.expect(")")
    } else {
      call.operators = [try operatorName()]
    }
    marks: while true {
      switch scanner.peek() {
      case UInt8(ascii: "!"): call.isKey = true
      case UInt8(ascii: "?"): call.isOptional = true
      case UInt8(ascii: "&"): call.mayBeShared = true
      default: break marks
      }
      _ = scanner.matches("!") || scanner.matches("?") || scanner.matches("&")
    }
    if scanner.matches("<") {
      repeat {
        let offset = here()
        let name = try scanner.expectName("an attribute's name")
        var copy = text
        if copy.scanner.matches("="), copy.scanner.matches("$") {
          text = copy
          call.attributes.append((name, .capture(try scanner.expectIdentifier("a name after '$'")), offset))
        } else {
          try scanner.expect("=")
          let syntax = AttributeSyntax(name, try text.attributeValue(), offset: offset)
          call.attributes.append((name, .value(syntax), offset))
        }
      } while scanner.matches(",")
      try scanner.expect(">")
    }
    try scanner.expect("(")
    if scanner.matches(")") { return call }
    repeat {
      if scanner.matches("...") {
        call.allowsMoreInputs = true
        break
      }
      call.inputs.append(try matchOperand())
    } while scanner.matches(",")
    try scanner.expect(")")
    return call
  }

  /// True where an operator comes next: a word before a bracket, a dot or a mark, or alternatives in brackets.
  private func nextIsCall() -> Bool {
    var copy = scanner
    if copy.matches("(") { return true }
    guard copy.identifier() != nil else { return false }
    return [UInt8](("(<.!?&").utf8).contains(copy.peek())
  }

  private mutating func matchOperand() throws -> MatchOperand {
    let offset = here()
    if scanner.matches("~") { return .moved(try matchOperand(), offset: offset) }
    if scanner.matches("$") {
      return .capture(try scanner.expectIdentifier("a constant's name after '$'"), offset: offset)
    }
    if let text = try scanner.string() {
      if text.isEmpty { return .absent }
      throw scanner.error(at: offset, "a text cannot be matched; \"\" is an input left out")
    }
    if nextIsCall() { return .call(try matchCall()) }
    if text.nextIsType() { return .tensor(try text.tensor()) }
    if let number = try scanner.number() { return .number(number) }
    let name = try scanner.expectIdentifier("an operand")
    return name == "_" ? .any : .name(name, offset: offset)
  }

  // MARK: Guards

  private mutating func guardHere() throws -> GuardSyntax {
    let start = here()
    var binding: NameSyntax?
    if scanner.matches(word: "let") {
      binding = try definedName("a name after 'let'")
      try scanner.expect("=")
    }
    let condition = try expression()
    let words = scanner.words(from: start)
    let sentence = scanner.matches(":") ? try scanner.expectString("the sentence of a refusal") : nil
    return GuardSyntax(binding: binding, condition: condition, sentence: sentence, text: words)
  }

  // MARK: Rewrite

  private mutating func rewriteStatement() throws -> RewriteStatement {
    let outputs = try outputs()
    return RewriteStatement(outputs: outputs, value: try rewriteOperand())
  }

  /// An operator's call where the word starts with a capital letter or has a domain, a copy after `@`, else an expression.
  private mutating func rewriteOperand() throws -> RewriteOperand {
    if scanner.peek(is: "@") { return .call(try rewriteCall()) }
    var copy = scanner
    if let word = copy.identifier() {
      let next = copy.peek()
      let isOperator = word.utf8.first.map { $0 >= 0x41 && $0 <= 0x5a } ?? false
      if next == UInt8(ascii: ".") || (isOperator && (next == UInt8(ascii: "(") || next == UInt8(ascii: "<"))) {
        return .call(try rewriteCall())
      }
    }
    return .expression(try sum())
  }

  private mutating func rewriteCall() throws -> RewriteCall {
    try scanner.enter()
    defer { scanner.leave() }
    let offset = here()
    let copied = scanner.matches("@") ? try scanner.expectIdentifier("a matched node's name after '@'") : nil
    var call = RewriteCall(
      operatorName: try copied.map { OperatorName($0) } ?? operatorName(), copied: copied, attributes: [], inputs: [],
      offset: offset)
    if scanner.matches("<") {
      repeat {
        let offset = here()
        let name = try scanner.expectName("an attribute's name")
        try scanner.expect("=")
        call.attributes.append((name, try sum(), offset))
      } while scanner.matches(",")
      try scanner.expect(">")
    }
    try scanner.expect("(")
    if scanner.matches(")") { return call }
    repeat {
      var copy = scanner
      if try copy.string() == "" {
        scanner = copy
        call.inputs.append(nil)
      } else {
        call.inputs.append(try rewriteOperand())
      }
    } while scanner.matches(",")
    try scanner.expect(")")
    return call
  }
}
