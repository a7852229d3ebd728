public import GraphIR
import Operators
import Tensors

/// A pattern found in the graph.
public struct Match: Sendable {
  /// By pattern node index; nil for an optional node that is absent.
  public internal(set) var nodes: [NodeID?]
  /// The data movement that `PatternInput.moved` passed over, from the value outwards, by the value's name.
  public internal(set) var movements: [String: [NodeID]] = [:]
  var bindings: [String: Operand]
  let pattern: Pattern

  /// What a name is bound to.
  public subscript(name: String) -> Operand? { bindings[name] }

  /// The value bound to `name`. Traps nothing: a name that the pattern does not bind gives nil.
  public func value(_ name: String) -> ValueID? { bindings[name]?.valueID }

  /// The node that computes the pattern value `label`.
  public func node(_ label: String) -> NodeID? {
    for (index, node) in pattern.nodes.enumerated() where node.outputs.contains(label) { return nodes[index] }
    return nil
  }

  /// Every matched node, data movement in between included.
  public var matchedNodes: [NodeID] {
    nodes.compactMap { $0 } + movements.sorted { $0.key < $1.key }.flatMap(\.value)
  }
}

/// Finds a pattern from a given node backwards, with backtracking over operand orders, optional nodes and spellings.
///
/// Results beyond the first, and nodes that only they reach, are looked for among the readers of bound values.
final class Matcher {
  let pattern: Pattern
  let context: PassContext
  /// Pattern value name -> (pattern node, output index).
  private let definitions: [String: (node: Int, output: Int)]
  /// The furthest failure, for near misses.
  private(set) var deepest: (matched: Int, refusal: Refusal)?
  private var budget = 20_000
  /// Nodes that must have matched before a failure is told.
  private let keys: [Int]
  /// A match stays in the anchor's graph or body.
  private var region = RegionID.main
  /// The second search, once nothing has matched: one constant may be another number, or one variable stand for two
  /// values, for the sentence that says so.
  private var toleratesStray = false

  init(_ pattern: Pattern, _ context: PassContext) {
    self.pattern = pattern
    self.context = context
    var definitions: [String: (Int, Int)] = [:]
    for (index, node) in pattern.nodes.enumerated() {
      for (output, name) in node.outputs.enumerated() { if let name { definitions[name] = (index, output) } }
    }
    self.definitions = definitions
    keys = pattern.nodes.indices.filter { pattern.nodes[$0].isKey }
  }

  private struct State {
    var nodes: [NodeID?]
    var skipped: [Bool]
    var bindings: [String: Operand]
    var movements: [String: [NodeID]] = [:]
    var keysMatched = 0
    var matched = 0
    /// What is wrong with the one operand that is not as the pattern says.
    var stray: Refusal?
  }

  private enum Goal {
    case input(Operand?, PatternInput, reader: NodeID)
    case value(Operand, String, reader: NodeID)
  }

  /// The pattern with its first result computed by `anchor`.
  func match(at anchor: NodeID) -> Match? {
    guard let result = pattern.results.first, let (index, output) = definitions[result] else { return nil }
    var state = State(
      nodes: Array(repeating: nil, count: pattern.nodes.count),
      skipped: Array(repeating: false, count: pattern.nodes.count),
      bindings: [:])
    guard let value = context.graph[anchor].output(output) else { return nil }
    region = context.graph[anchor].region
    state.bindings[result] = .value(value)
    guard let final = match(anchor, index, state, []) else {
      lookForStray(from: anchor, index, state)
      return nil
    }
    return Match(nodes: final.nodes, movements: final.movements, bindings: final.bindings, pattern: pattern)
  }

  /// The graph may be what the pattern says in all but one operand: no other failure says more.
  private func lookForStray(from anchor: NodeID, _ index: Int, _ state: State) {
    guard pattern.nodes.count > 2, let key = keys.first else { return }
    toleratesStray = true
    budget = 2_000
    if let match = match(anchor, index, state, []), var refusal = match.stray {
      refusal.key = match.nodes[key]
      deepest = (pattern.nodes.count + 1, refusal)
    }
  }

  /// What is wrong with a constant that could be a mistyped one: it is at most by half another number than is expected.
  private func stray(_ operand: Operand?, _ test: ConstantTest, _ reader: NodeID) -> Refusal? {
    guard toleratesStray, case .equal(let wanted) = test, let found = operand?.uniform(context),
      (found - wanted).magnitude <= 0.5 * wanted.magnitude
    else { return nil }
    let place = operand?.valueID.flatMap { context.graph.producer($0) } ?? reader
    return Refusal(explain(operand, test, reader), at: place)
  }

  /// True for two values of one type and shape.
  private func isKin(_ a: Operand, _ b: Operand) -> Bool {
    guard let a = a.valueID, let b = b.valueID, let shape = context.shape(a) else { return false }
    return context.shape(b) == shape && context.dataType(a) == context.dataType(b)
  }

  private func fail(_ state: State, _ reason: @autoclosure () -> String, _ node: NodeID?) {
    guard !toleratesStray, isCandidate(state), state.matched > (deepest?.matched ?? 0) else { return }
    var refusal = Refusal(reason(), at: node)
    refusal.key = state.nodes[keys[0]]
    deepest = (state.matched, refusal)
  }

  private func isCandidate(_ state: State) -> Bool { state.keysMatched > 0 && state.keysMatched == keys.count }

  private func match(_ id: NodeID, _ index: Int, _ state: State, _ goals: [Goal]) -> State? {
    budget -= 1
    if budget < 0 { return nil }
    let wanted = pattern.nodes[index]
    if let bound = state.nodes[index] { return bound == id ? solve(goals, state) : nil }
    if state.nodes.contains(id) { return nil }
    var state = state
    state.nodes[index] = id
    let node = context.graph[id]
    for (output, name) in wanted.outputs.enumerated() {
      guard let name, let value = node.output(output) else { continue }
      if let bound = state.bindings[name], bound.valueID != value { return nil }
      state.bindings[name] = .value(value)
    }
    var sawOperator = false
    for view in CanonicalView.views(of: id, in: context) where wanted.operators.contains(view.operatorName) {
      sawOperator = true
      var next = state
      if wanted.isKey { next.keysMatched += 1 }
      next.matched += 1
      if let attribute = wanted.attributes.first(where: { !accepts(node, $0) }) {
        fail(next, "attribute \(attribute.name) of \(view.operatorName) is not what the rule needs", id)
        continue
      }
      for inputs in orders(view.inputs, wanted) {
        if inputs.count > wanted.inputs.count && !wanted.allowsMoreInputs {
          fail(next, "\(view.operatorName) has \(inputs.count) inputs, \(wanted.inputs.count) were expected", id)
          continue
        }
        if let constant = wideningConstant(id, inputs, wanted) {
          fail(next, "the constant \(constant) gives the result another shape than the other operand's", id)
          continue
        }
        let new = wanted.inputs.enumerated().map { position, input in
          Goal.input(position < inputs.count ? inputs[position] : nil, input, reader: id)
        }
        if let result = solve(new + goals, next) { return result }
      }
    }
    if !sawOperator {
      fail(
        state,
        "\(node.operatorName) stands where \(wanted.operators.map(\.description).joined(separator: " or ")) was expected",
        id)
    }
    return nil
  }

  /// A constant that stands for one number, but whose dimensions may make the result larger than the other operand: a rewrite
  /// that leaves it out would change the shape.
  private func wideningConstant(_ id: NodeID, _ inputs: [Operand?], _ wanted: PatternNode) -> Tensor? {
    guard inputs.count == 2, wanted.inputs.count == 2,
      OperatorRegistry[context.graph[id].operatorName]?.traits.contains(.elementwise) ?? false
    else { return nil }
    for (position, input) in wanted.inputs.enumerated() {
      guard case .constant(_, let test) = input, test.isUniform, let tensor = inputs[position]?.tensor(context),
        tensor.rank > 0,
        let other = inputs[1 - position]?.valueID, test.accepts(.computed(tensor), context, type: tensor.dataType)
      else { continue }
      if tensor.count == 1, let rank = context.rank(other), tensor.rank <= rank { continue }
      if let shape = context.shape(other), shape == context.shape(context.graph[id].output(0)) { continue }
      return tensor
    }
    return nil
  }

  private func accepts(_ node: Node, _ wanted: PatternAttribute) -> Bool {
    switch wanted.test {
    case .matching(let test): return test(node[wanted.name])
    case .equal(let value):
      if let found = node[wanted.name] { return found.isIdentical(to: value) }
      let reader = AttributeReader(node)
      switch value {
      case .int(let number): return (try? reader.optionalInt(wanted.name)) == Int(number)
      case .float(let number): return (try? reader.optionalFloat(wanted.name)) == number
      case .string(let text): return (try? reader.optionalString(wanted.name)) == text
      case .ints(let numbers): return (try? reader.optionalInts(wanted.name)) == numbers.map { Int($0) }
      default: return false
      }
    }
  }

  private func orders(_ inputs: [Operand?], _ wanted: PatternNode) -> [[Operand?]] {
    guard inputs.count == 2, wanted.inputs.count == 2,
      wanted.operators.contains(where: { OperatorRegistry[$0]?.traits.contains(.commutative) ?? false })
    else { return [inputs] }
    let swapped = [inputs[1], inputs[0]]
    // A constant is looked for on the right first: what fails is then told of the operand that was meant.
    let isOnLeft = inputs[0]?.isConstant(context) ?? false
    return isOnLeft ? [swapped, inputs] : [inputs, swapped]
  }

  private func solve(_ goals: [Goal], _ state: State) -> State? {
    guard let goal = goals.first else { return finish(state) }
    let rest = Array(goals.dropFirst())
    switch goal {
    case .input(let operand, let wanted, let reader):
      switch wanted {
      case .any: return solve(rest, state)
      case .absent:
        if operand == nil { return solve(rest, state) }
        fail(state, "an input that should be left out is there", reader)
        return nil
      case .constant(let name, let test):
        guard let operand, test.accepts(operand, context, type: type(of: operand, reader)) else {
          if state.stray == nil, let stray = stray(operand, test, reader) {
            var next = state
            next.stray = stray
            return solve(rest, next)
          }
          fail(state, explain(operand, test, reader), operand?.valueID.flatMap { context.graph.producer($0) } ?? reader)
          return nil
        }
        var next = state
        if let name {
          if let bound = state.bindings[name], !bound.isSame(as: operand, context) { return nil }
          next.bindings[name] = operand
        }
        return solve(rest, next)
      case .value(let name):
        guard let operand else {
          fail(state, "an input is left out", reader)
          return nil
        }
        return solve([.value(operand, name, reader: reader)] + rest, state)
      case .moved(let name):
        guard let operand else {
          fail(state, "an input is left out", reader)
          return nil
        }
        return solveMoved(operand, name, reader, rest, state)
      }
    case .value(let operand, let name, let reader):
      return solve(operand, name, reader, rest, state)
    }
  }

  /// The element type of a constant; one that the canonical spelling computed has that of its reader's other operands.
  private func type(of operand: Operand, _ reader: NodeID) -> DataType? {
    if let value = operand.valueID { return context.dataType(value) }
    return context.dataType(context.graph[reader].input(0))
  }

  /// The value itself, else what stands behind one more node that only moves data.
  private func solveMoved(
    _ operand: Operand, _ name: String, _ reader: NodeID, _ rest: [Goal], _ state: State
  ) -> State? {
    if let result = solve([.value(operand, name, reader: reader)] + rest, state) { return result }
    guard let value = operand.valueID, let producer = context.graph.producer(value), !state.nodes.contains(producer),
      context.graph[producer].region == region, context.graph[producer].output(0) == value,
      OperatorRegistry[context.graph[producer].operatorName]?.traits.contains(.dataMovement) ?? false,
      let source = context.graph[producer].input(0)
    else { return nil }
    var next = state
    next.movements[name, default: []].insert(producer, at: 0)
    return solveMoved(.value(source), name, producer, rest, next)
  }

  private func solve(_ operand: Operand, _ name: String, _ reader: NodeID, _ rest: [Goal], _ state: State) -> State? {
    guard let (index, output) = definitions[name] else {
      if let bound = state.bindings[name] {
        if bound.isSame(as: operand, context) { return solve(rest, state) }
        if state.stray == nil, toleratesStray, isKin(bound, operand) {
          var next = state
          next.stray = Refusal(explain(bound, operand, name), at: reader)
          return solve(rest, next)
        }
        // Where one is a constant the operands were taken in the wrong order.
        if !bound.isConstant(context), !operand.isConstant(context) {
          fail(state, explain(bound, operand, name), reader)
        }
        return nil
      }
      var next = state
      next.bindings[name] = operand
      return solve(rest, next)
    }
    if state.skipped[index] {
      return state.bindings[name].map { $0.isSame(as: operand, context) } ?? false ? solve(rest, state) : nil
    }
    if let value = operand.valueID, let producer = context.graph.producer(value),
      context.graph[producer].region == region, context.graph[producer].output(output) == value
    {
      if let result = match(producer, index, state, rest) { return result }
    } else if !pattern.nodes[index].isOptional {
      let expected = pattern.nodes[index].operators.map(\.description).joined(separator: " or ")
      fail(state, "a graph input or constant stands where \(expected) was expected", reader)
    }
    if pattern.nodes[index].isOptional, state.nodes[index] == nil,
      case .value(let through)? = pattern.nodes[index].inputs.first
    {
      var next = state
      next.skipped[index] = true
      next.bindings[name] = operand
      return solve([.value(operand, through, reader: reader)] + rest, next)
    }
    return nil
  }

  /// All goals met: look for pattern nodes that no result reached.
  private func finish(_ state: State) -> State? {
    for (index, node) in pattern.nodes.enumerated()
    where state.nodes[index] == nil && !state.skipped[index] && !node.isOptional {
      for case .value(let name) in node.inputs {
        guard let value = state.bindings[name]?.valueID else { continue }
        for reader in context.graph.consumers(value) where context.graph[reader].region == region {
          if let result = match(reader, index, state, []) { return result }
        }
        return nil
      }
      return nil
    }
    return state
  }

  private func text(_ operand: Operand) -> String { operand.valueID.map { context.graph[$0].name } ?? "a constant" }

  private func explain(_ one: Operand, _ other: Operand, _ name: String) -> String {
    "\(text(one)) and \(text(other)) stand where the same value was expected (\(name))"
  }

  private func explain(_ operand: Operand?, _ test: ConstantTest, _ reader: NodeID) -> String {
    guard let operand else { return "a constant was expected, the input is left out" }
    guard operand.isConstant(context) else { return "a constant was expected, \(text(operand)) is computed" }
    switch test {
    case .equal(let number):
      guard let found = operand.uniform(context) else {
        return "the constant is not one number, \(number) was expected"
      }
      // What the canonical spelling computed is told as it was written.
      if case .computed = operand, context.graph[reader].is("Div"), found != 0, number != 0 {
        return "the divisor is \(Float(1 / found)), \(1 / number) was expected"
      }
      if case .computed = operand, context.graph[reader].is("Sub") {
        return "the subtrahend is \(Float(-found)), \(-number) was expected"
      }
      return "the constant is \(Float(found)), \(number) was expected"
    case .uniform: return "the constant is not one number"
    default: return "the constant is not what the rule needs"
    }
  }
}
