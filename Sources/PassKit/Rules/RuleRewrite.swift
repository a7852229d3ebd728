import GraphIR
import Operators
import Tensors

/// The right-hand side of a rule.
struct RuleRewrite: Sendable {
  private let statements: [RewriteStatement]
  private let results: [String]
  /// The newest opset that an operator of the rewrite first appeared in, and that operator.
  private let opset: (version: Int, name: String)
  private let domains: Set<String>

  /// Checks names, operators and attributes. `check` looks at an expression, given the names that the rewrite defined so far.
  init(
    _ rule: RuleSyntax, results: [String], matched: Set<String>, scanner: TextScanner,
    check: (RuleExpression, Set<String>) throws -> Void
  ) throws {
    statements = rule.rewrite
    self.results = results
    var opset = (version: 0, name: "")
    var domains: Set<String> = []
    var made: Set<String> = []
    func walk(_ operand: RewriteOperand) throws {
      switch operand {
      case .expression(let expression):
        for name in expression.names where results.contains(name) && !made.contains(name) {
          throw scanner.error(at: expression.offset, "\(name) is what the rule replaces; it cannot be read here")
        }
        if case .name(let name) = expression.node, made.contains(name) { return }
        for name in expression.names where made.contains(name) {
          throw scanner.error(
            at: expression.offset, "\(name) is computed by the rewrite, it is not known when the rule applies")
        }
        try check(expression, made)
      case .call(let call):
        let name = call.operatorName
        let schema = SchemaRegistry.newest(domain: name.domain, name: name.name)
        if let copied = call.copied {
          guard matched.contains(copied) else {
            throw scanner.error(at: call.offset, "the match does not compute \(copied)")
          }
        } else if name.domain.isEmpty {
          guard let schema else { throw scanner.error(at: call.offset, "there is no operator \(name)") }
          let first = SchemaRegistry.versions(domain: "", name: name.name).min() ?? schema.sinceVersion
          if first > opset.version, !RuntimeSupport.isExpandable(name) { opset = (first, name.name) }
          guard schema.inputCount.contains(call.inputs.count) else {
            throw scanner.error(
              at: call.offset,
              "\(name) takes \(schema.inputCount.lowerBound) to \(schema.inputCount.upperBound) inputs, \(call.inputs.count) are given"
            )
          }
        }
        domains.insert(name.domain)
        for (attribute, value, offset) in call.attributes {
          if let schema, schema.attribute(attribute) == nil {
            throw scanner.error(at: offset, "\(name) has no attribute \(attribute)")
          }
          if case .name("absent") = value.node { continue }
          for read in value.names where made.contains(read) {
            throw scanner.error(at: offset, "\(read) is computed by the rewrite, it is not known when the rule applies")
          }
          try check(value, [])
        }
        for case .some(let input) in call.inputs { try walk(input) }
      }
    }
    for statement in rule.rewrite {
      try walk(statement.value)
      if case .expression = statement.value, statement.outputs.count != 1 {
        throw scanner.error(at: statement.outputs.first?.offset ?? rule.offset, "an expression has one result")
      }
      for output in statement.outputs where !output.text.isEmpty {
        if !made.insert(output.text).inserted {
          throw scanner.error(at: output.offset, "\(output.text) is defined twice")
        }
      }
    }
    for result in results where !made.contains(result) {
      throw scanner.error(at: rule.offset, "the rewrite does not define \(result)")
    }
    self.opset = opset
    self.domains = domains
  }

  /// Adds nodes, constants and replacements to `change`.
  func fill(_ change: inout GraphChange, _ scope: RuleScope) throws {
    let context = scope.context
    guard context.mayEmit(opset: opset.version) else {
      throw Refusal(
        "\(opset.name) needs opset \(opset.version), the output is limited to \(context.options.opsetCeiling)")
    }
    if domains.contains("com.microsoft"), context.options.target == .onnx {
      throw Refusal("com.microsoft needs the target ort")
    }
    if domains.contains("ai.cameo"), context.options.target != .cameo {
      throw Refusal("ai.cameo needs the target cameo")
    }
    var names: [String: GraphChange.Ref] = [:]
    for statement in statements {
      switch statement.value {
      case .call(let call):
        let refs = try add(call, outputs: statement.outputs.count, &change, names, scope)
        for (output, ref) in zip(statement.outputs, refs) where !output.text.isEmpty { names[output.text] = ref }
      case .expression(let expression):
        let type = results.first.flatMap { scope.match.value($0) }.flatMap { context.dataType($0) }
        names[statement.outputs[0].text] = try ref(expression, type, &change, names, scope)
      }
    }
    let movement = scope.match.movements.values.first ?? []
    for result in results {
      guard let old = scope.match.value(result), let new = names[result] else { continue }
      change.replace(old, with: change.repeating(movement, on: new, in: context.graph))
    }
  }

  private func add(
    _ call: RewriteCall, outputs: Int, _ change: inout GraphChange, _ names: [String: GraphChange.Ref],
    _ scope: RuleScope
  ) throws -> [GraphChange.Ref] {
    var operatorName = call.operatorName
    var original: Node?
    if let copied = call.copied {
      guard let id = scope.match.node(copied) else { throw Refusal("the node of \(copied) is not there") }
      original = scope.context.graph[id]
      operatorName = scope.context.graph[id].operatorName
    }
    let schema = SchemaRegistry.newest(domain: operatorName.domain, name: operatorName.name)
    var inputs: [GraphChange.Ref?] = []
    for (index, input) in call.inputs.enumerated() {
      switch input {
      case nil: inputs.append(nil)
      case .call(let inner)?: inputs.append(try add(inner, outputs: 1, &change, names, scope)[0])
      case .expression(let expression)?:
        inputs.append(try ref(expression, type(of: index, call, schema, scope), &change, names, scope))
      }
    }
    if let original { inputs += original.inputs.dropFirst(inputs.count).map { $0.map { .existing($0) } } }
    while case .some(.none) = inputs.last { inputs.removeLast() }
    let written = Set(call.attributes.map(\.name))
    var attributes = original?.attributes.filter { !written.contains($0.name) } ?? []
    for (name, value, _) in call.attributes {
      if case .name("absent") = value.node { continue }
      // A captured attribute that is absent stays absent.
      if case .capture(let capture) = value.node, let known = scope.attributes[capture] {
        if let known { attributes.append(NamedAttribute(name, known)) }
        continue
      }
      attributes.append(NamedAttribute(name, try scope.computed(value).attribute(schema?.attribute(name)?.type, name)))
    }
    return change.nodes(
      operatorName.name, domain: operatorName.domain, inputs, attributes, outputs: outputs, name: original?.name ?? "")
  }

  /// The element type of a constant that is written at input `index`: int64 where the standard says so, else that of the other
  /// inputs of the same type parameter, else that of the result.
  private func type(of index: Int, _ call: RewriteCall, _ schema: OperatorSchema?, _ scope: RuleScope) -> DataType? {
    let parameter = schema?.input(at: index)
    if let parameter, parameter.constraint == nil,
      let only = DataType(name: String(parameter.type.dropFirst(7).dropLast()))
    {
      return only
    }
    for (other, input) in call.inputs.enumerated() where other != index {
      guard case .expression(let expression)? = input,
        schema == nil || schema?.input(at: other)?.type == parameter?.type,
        case .graph(let id)? = try? scope.evaluate(expression), let type = scope.context.dataType(id)
      else { continue }
      return type
    }
    let peers = call.inputs.indices.contains { $0 != index && schema?.input(at: $0)?.type == parameter?.type }
    guard peers || schema == nil else { return nil }
    return results.first.flatMap { scope.match.value($0) }.flatMap { scope.context.dataType($0) }
  }

  /// An existing value, one that the rewrite made, or a new constant. `type` is for numbers, which have none of their own.
  private func ref(
    _ expression: RuleExpression, _ type: DataType?, _ change: inout GraphChange, _ names: [String: GraphChange.Ref],
    _ scope: RuleScope
  ) throws -> GraphChange.Ref {
    if case .name(let name) = expression.node, let made = names[name] { return made }
    // A bound constant is read where it is.
    if case .capture(let name) = expression.node, let id = scope.match.value(name) { return .existing(id) }
    let value = try scope.evaluate(expression)
    switch value {
    case .graph(let id): return .existing(id)
    case .tensor(let tensor, let isWeak):
      return change.constant(isWeak ? try tensor.converted(to: type ?? .float) : tensor)
    case .dim(let dim):
      guard let number = dim.value else { throw Refusal("\(dim) is not known") }
      return change.constant(try .scalar(Int64(number), .int64).converted(to: type ?? .int64))
    case .number(let number): return change.constant(try .scalar(number, type ?? .float))
    case .list:
      if let integers = value.integers { return change.constant(try .ints(integers)) }
      guard case .list(let items) = value else { throw Refusal("a list was expected") }
      let numbers = items.compactMap(\.double)
      guard numbers.count == items.count else { throw Refusal("\(value.description) is not known") }
      return change.constant(try .of(numbers, type ?? .float))
    case .text(let text): return change.constant(try Tensor(strings: [text], shape: []))
    case .bool(let flag): return change.constant(try .scalar(flag ? Int64(1) : 0, .bool))
    case .type, .attribute: throw Refusal("\(value.description) is no operand")
    }
  }
}
