import GraphIR
import Operators
import Tensors

/// Puts the alternatives of forms in the place of their calls: one list of statements for each combination of spellings.
///
/// Nested calls become statements of their own. Names that an alternative defines are its own, unless they are parameters;
/// other names are those of the rule.
struct FormExpander {
  private let forms: [String: FormSyntax]
  private let scanner: TextScanner
  private var made = 0

  /// Spellings that one rule may stand for.
  static let limit = 512

  /// Throws where a form has the name of an operator, is there twice, or calls itself.
  init(_ forms: [FormSyntax], _ scanner: TextScanner) throws {
    self.scanner = scanner
    var byName: [String: FormSyntax] = [:]
    for form in forms {
      if OperatorRegistry[OperatorName(form.name)] != nil {
        throw scanner.error(at: form.offset, "\(form.name) is an operator, so it cannot be a form's name")
      }
      if byName.updateValue(form, forKey: form.name) != nil {
        throw scanner.error(at: form.offset, "the form \(form.name) is defined twice")
      }
    }
    self.forms = byName
    for form in forms where reached(from: form.alternatives.flatMap(calls)).contains(form.name) {
      throw scanner.error(at: form.offset, "the form \(form.name) calls itself")
    }
  }

  /// The forms that `statements` call, directly or through others.
  func used(in statements: [MatchStatement]) -> Set<String> { reached(from: statements.flatMap { calls($0.call) }) }

  private func reached(from calls: [MatchCall]) -> Set<String> {
    var found: Set<String> = []
    var work = calls
    while let call = work.popLast() {
      guard let form = form(of: call), found.insert(form.name).inserted else { continue }
      work += form.alternatives.flatMap(self.calls)
    }
    return found
  }

  private func calls(_ alternative: FormAlternative) -> [MatchCall] {
    alternative.statements.flatMap { calls($0.call) } + calls(alternative.call)
  }

  private func calls(_ call: MatchCall) -> [MatchCall] { [call] + call.inputs.flatMap(calls) }

  private func calls(_ operand: MatchOperand) -> [MatchCall] {
    switch operand {
    case .call(let inner): calls(inner)
    case .moved(let inner, _): calls(inner)
    default: []
    }
  }

  private func form(of call: MatchCall) -> FormSyntax? {
    guard call.operators.count == 1, call.operators[0].domain.isEmpty else { return nil }
    return forms[call.operators[0].name]
  }

  /// False where no graph of these operators holds a spelling of `statements`: a call that must be there has none of them.
  func mayHold(_ statements: [MatchStatement], _ operators: Set<OperatorName>) -> Bool {
    statements.allSatisfy { mayHold($0.call, operators) }
  }

  private func mayHold(_ call: MatchCall, _ operators: Set<OperatorName>) -> Bool {
    if call.isOptional { return true }
    if let form = form(of: call) {
      let isThere = form.alternatives.contains { mayHold($0.statements, operators) && mayHold($0.call, operators) }
      if !isThere { return false }
    } else if PatternOutline.written(call.operators).isDisjoint(with: operators) {
      return false
    }
    return call.inputs.allSatisfy { mayHold($0, operators) }
  }

  private func mayHold(_ operand: MatchOperand, _ operators: Set<OperatorName>) -> Bool {
    switch operand {
    case .call(let inner): mayHold(inner, operators)
    case .moved(let inner, _): mayHold(inner, operators)
    default: true
    }
  }

  /// Every spelling of `statements`, without calls of forms and without nested calls.
  mutating func expand(_ statements: [MatchStatement]) throws -> [[MatchStatement]] {
    var spellings: [[MatchStatement]] = []
    // Depth first, so that spellings come in the order of the forms' alternatives.
    var open = [flat(statements)]
    while let spelling = open.popLast() {
      guard let index = spelling.firstIndex(where: { form(of: $0.call) != nil }),
        let form = form(of: spelling[index].call)
      else {
        spellings.append(spelling)
        continue
      }
      var ways: [[MatchStatement]] = []
      for alternative in form.alternatives {
        var copy = spelling
        copy.replaceSubrange(index...index, with: try place(alternative, of: form, for: spelling[index]))
        ways.append(copy)
      }
      open += ways.reversed()
      guard spellings.count + open.count <= Self.limit else {
        throw scanner.error(at: statements[0].call.offset, "the rule has more than \(Self.limit) spellings")
      }
    }
    return spellings
  }

  private mutating func fresh() -> String {
    made += 1
    return "%\(made)"
  }

  /// Nested calls as statements behind the one that reads them.
  private mutating func flat(_ statements: [MatchStatement]) -> [MatchStatement] {
    var result: [MatchStatement] = []
    for statement in statements {
      var main = statement
      var inner: [MatchStatement] = []
      main.call.inputs = statement.call.inputs.map { flat($0, &inner) }
      // The rule's last statement stays the last one: its outputs are the results.
      result += flat(inner) + [main]
    }
    return result
  }

  private mutating func flat(_ operand: MatchOperand, _ statements: inout [MatchStatement]) -> MatchOperand {
    switch operand {
    case .call(let call):
      let name = fresh()
      statements.append(MatchStatement(outputs: [NameSyntax(name, offset: call.offset)], call: call))
      return .name(name, offset: call.offset)
    case .moved(let inner, let offset): return .moved(flat(inner, &statements), offset: offset)
    default: return operand
    }
  }

  /// The statements of an alternative with the call's operands in the place of the parameters.
  private mutating func place(
    _ alternative: FormAlternative, of form: FormSyntax, for statement: MatchStatement
  ) throws -> [MatchStatement] {
    let call = statement.call
    func fail(_ reason: String) -> CameoError { scanner.error(at: call.offset, "the form \(form.name) \(reason)") }
    guard call.inputs.count == form.parameters.count, !call.allowsMoreInputs else {
      throw fail("takes \(form.parameters.count) operands")
    }
    guard call.attributes.isEmpty else { throw fail("has no attributes") }
    guard statement.outputs.count == 1 else { throw fail("has one output") }
    let arguments = Dictionary(zip(form.parameters, call.inputs), uniquingKeysWith: { a, _ in a })
    var locals: [String: String] = [:]
    for inner in alternative.statements {
      for output in inner.outputs where !output.text.isEmpty && arguments[output.text] == nil {
        locals[output.text] = fresh()
      }
    }
    func renamed(_ output: NameSyntax) throws -> NameSyntax {
      if let local = locals[output.text] { return NameSyntax(local, offset: output.offset) }
      guard let argument = arguments[output.text] else { return output }
      guard case .name(let name, _) = argument else {
        throw fail("defines its parameter \(output.text), so a name must stand there")
      }
      return NameSyntax(name, offset: output.offset)
    }
    func replaced(_ operand: MatchOperand) -> MatchOperand {
      switch operand {
      case .name(let name, let offset):
        if let local = locals[name] { return .name(local, offset: offset) }
        return arguments[name] ?? operand
      case .capture(let name, _): return arguments[name] ?? operand
      case .call(let inner): return .call(replaced(inner))
      case .moved(let inner, let offset): return .moved(replaced(inner), offset: offset)
      default: return operand
      }
    }
    func replaced(_ call: MatchCall) -> MatchCall {
      var copy = call
      copy.inputs = call.inputs.map(replaced)
      return copy
    }
    var main = replaced(alternative.call)
    main.isKey = main.isKey || call.isKey
    main.isOptional = main.isOptional || call.isOptional
    main.mayBeShared = main.mayBeShared || call.mayBeShared
    let inner = try alternative.statements.map {
      MatchStatement(outputs: try $0.outputs.map(renamed), call: replaced($0.call))
    }
    return flat(inner + [MatchStatement(outputs: statement.outputs, call: main)])
  }
}
