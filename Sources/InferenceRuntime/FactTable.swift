import GraphIR
import Operators
import Tensors

/// What a plan knows of each value: the shapes of this run, and shape arithmetic folded to constants.
struct FactTable {
  private var facts: [ValueFacts]
  private var isSeen: [Bool]
  /// Constants that hold for every plan of the session, not for these shapes only.
  private var isGlobal: [Bool]
  /// Outputs of inlined branches: the value that stands for them.
  private var aliases: [ValueID: ValueID] = [:]
  /// Tapped outputs of inlined branches, by the value of the branch that they stand for.
  private var tapsOfAliased: [ValueID: [ValueID]] = [:]
  let core: ProgramCore

  /// Most bytes that a result is folded for where only this plan's shapes make it constant.
  static let planFoldLimit = 4 << 20

  init(_ core: ProgramCore) {
    self.core = core
    facts = [ValueFacts](repeating: .unknown, count: core.graph.valueCapacity)
    isSeen = [Bool](repeating: false, count: core.graph.valueCapacity)
    isGlobal = isSeen
  }

  func resolve(_ value: ValueID) -> ValueID {
    var value = value
    while let next = aliases[value] { value = next }
    return value
  }

  mutating func alias(_ value: ValueID, to other: ValueID) { if value != other { aliases[value] = other } }

  /// The names under which a tap is shown `value`.
  func taps(at value: ValueID) -> [ValueID] {
    (core.options.taps.contains(value) ? [value] : []) + (tapsOfAliased[value] ?? [])
  }

  /// What is tapped at `value` will be seen where `inner` is made.
  mutating func noteTaps(of value: ValueID, standingAt inner: ValueID?) {
    let names = taps(at: value)
    if let inner, !names.isEmpty { tapsOfAliased[inner, default: []] += names }
  }

  mutating func note(_ value: ValueID, _ fact: ValueFacts, isGlobal global: Bool = false) {
    let index = Int(value.index)
    isSeen[index] = true
    facts[index] = fact
    isGlobal[index] = global
  }

  /// `value` is resolved.
  subscript(value: ValueID) -> ValueFacts {
    mutating get {
      let index = Int(value.index)
      if !isSeen[index] {
        isSeen[index] = true
        if core.graph[value].isConstant, let constant = core.graph[value].constant {
          facts[index] = ValueFacts(constant: constant)
          isGlobal[index] = true
        }
      }
      return facts[index]
    }
  }

  mutating func isGlobalConstant(_ value: ValueID) -> Bool {
    _ = self[value]
    return isGlobal[Int(value.index)]
  }

  /// The constant tensor or value behind a fact.
  static func constant(_ fact: ValueFacts) -> Value? {
    if let constant = fact.constant { return constant }
    return fact.tensor.map { .tensor($0) }
  }

  // MARK: Inference

  /// Notes the facts of the node's outputs; true where all of them are constants.
  mutating func infer(_ id: NodeID, folds: Bool = true) throws -> Bool {
    do { return try inferUnlocated(id, folds: folds) } catch let error as CameoError {
      throw error.within(core.graph.describe(id))
    }
  }

  private mutating func inferUnlocated(_ id: NodeID, folds: Bool) throws -> Bool {
    let node = core.graph[id]
    var inputs: [ValueFacts?] = []
    inputs.reserveCapacity(node.inputs.count)
    var allConstant = node.regions.isEmpty || FusedElementwise.is(node)
    var allGlobal = true
    for input in node.inputs {
      guard let input else { inputs.append(nil); continue }
      let value = resolve(input)
      let fact = self[value]
      inputs.append(fact)
      if FactTable.constant(fact) == nil {
        allConstant = false
      } else if !isGlobal[Int(value.index)] {
        allGlobal = false
      }
    }
    let function = core.functions.first { $0.operatorName == node.operatorName && $0.overload == node.overload }
    let op = OperatorRegistry[node.operatorName]
    let isRandom = function == nil && op?.traits.contains(.random) == true
    allConstant = allConstant && !isRandom && (op != nil || function != nil)

    // Constants of the session are folded whatever their size, once.
    if allConstant && allGlobal && folds {
      let values = inputs.map { $0.flatMap { FactTable.constant($0) } }
      if let outputs = try? core.fold(id, { try evaluate(node, values) }) {
        note(node, outputs, isGlobal: true)
        return true
      }
    }

    var outputs: [ValueFacts]
    if let function {
      let body = try function.specialized(for: node)
      let inference = ShapeInference(body, functions: core.functions, depth: 1)
      outputs = try within("function \(function.operatorName)") { try inference.run(inputs: inputs) }
    } else if FusedElementwise.is(node), case .graph(let body) = node[FusedElementwise.body] {
      // Nothing else reads the body's values: they need no table of their own.
      outputs = infer(body: body, inputs: inputs.map { $0 ?? .unknown })
    } else if let op {
      try op.checkSignature(of: node, types: inputs.map { $0?.type })
      // The closure needs the table while the context is alive: bodies work on a copy of it.
      let scratch = Scratch(self)
      var context = InferenceContext(node: node, inputs: inputs, symbolPrefix: "d\(id.index)") { body, facts in
        scratch.table.infer(body: body, inputs: facts)
      }
      try op.infer(&context)
      outputs = context.outputs
      try op.checkResults(outputs.map(\.type), types: inputs.map { $0?.type })
    } else {
      throw CameoError.unsupported("operator \(node.operatorName) is not known")
    }

    var known =
      !outputs.isEmpty
      && node.outputs.indices.allSatisfy { index in
        node.outputs[index] == nil || (index < outputs.count && FactTable.constant(outputs[index]) != nil)
      }
    if known && isRandom { known = false }
    if !known && allConstant && folds && foldedSize(outputs) <= FactTable.planFoldLimit {
      let values = inputs.map { $0.flatMap { FactTable.constant($0) } }
      if let results = try? evaluate(node, values) {
        note(node, results, isGlobal: false)
        return true
      }
    }
    for (index, output) in node.outputs.enumerated() {
      guard let output else { continue }
      var fact = index < outputs.count ? outputs[index] : .unknown
      if fact.constant == nil, known, let constant = FactTable.constant(fact) { fact.constant = constant }
      if fact.type == nil, let declared = core.graph[output].type, declared.dataType == nil { fact.type = declared }
      note(output, fact)
    }
    return known
  }

  private final class Scratch {
    var table: FactTable
    init(_ table: FactTable) { self.table = table }
  }

  private func evaluate(_ node: Node, _ values: [Value?]) throws -> [Value?] {
    var options = GraphEvaluator.Options()
    options.seed = core.options.seed
    let results = try GraphEvaluator.evaluate(node, inputs: values, functions: core.functions, options: options) {
      [core] region, arguments in
      guard let body = core.graph.standalone(region) else { throw CameoError.unsupported("the body is not closed") }
      return try GraphEvaluator(body, functions: core.functions, options: options).run(arguments)
    }
    for (index, output) in node.outputs.enumerated() where output != nil {
      guard index < results.count, results[index] != nil else {
        throw CameoError.unsupported("output \(index) is not computed")
      }
    }
    return results
  }

  private mutating func note(_ node: Node, _ results: [Value?], isGlobal: Bool) {
    for (index, output) in node.outputs.enumerated() {
      guard let output, index < results.count, let value = results[index] else { continue }
      note(output, ValueFacts(constant: value), isGlobal: isGlobal)
    }
  }

  /// Bytes of the outputs; 0 where the shape is open (dynamic operators on constants are evaluated to learn it).
  private func foldedSize(_ outputs: [ValueFacts]) -> Int {
    var total = 0
    for output in outputs {
      guard let type = output.dataType, let shape = output.type?.concreteShape,
        let count = try? Tensor.elementCount(shape), let bytes = type.byteCount(elements: count)
      else { continue }
      total += bytes
    }
    return total
  }

  /// Facts of a body's outputs for given facts of its inputs; unknown where the body breaks a rule for these.
  private mutating func infer(body: RegionID, inputs: [ValueFacts]) -> [ValueFacts] {
    for (index, input) in core.graph[body].inputs.enumerated() {
      var fact = index < inputs.count ? inputs[index] : .unknown
      if fact.type == nil { fact.type = core.graph[input].type.flatMap { $0.concreteShape == nil ? nil : $0 } }
      note(input, fact)
    }
    do {
      for id in core.graph.nodes(in: body) { _ = try infer(id, folds: false) }
    } catch {
      return core.graph[body].outputs.map { _ in .unknown }
    }
    return core.graph[body].outputs.map { self[resolve($0)] }
  }
}
