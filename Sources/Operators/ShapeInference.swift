public import GraphIR
public import Tensors

/// Infers types, symbolic shapes and shape arithmetic for a whole graph, bodies and function calls included.
///
/// Forward, once over the nodes in order. Linear in nodes, apart from Loop bodies, which are inferred twice.
public final class ShapeInference {
  public struct Options: Sendable {
    /// Types that replace the declared ones of graph inputs: concrete shapes of a run, or a user's specialisation.
    public var inputTypes: [ValueID: ValueType] = [:]
    /// Symbols with a fixed value (`--dim batch=1`); applied to declared types.
    public var bindings: [String: Dim] = [:]
    /// Graph inputs whose very contents are fixed.
    public var inputConstants: [ValueID: Value] = [:]
    /// Keeps going past a node whose inputs break its operator's rules; the problem is listed. Off: it is thrown.
    public var isLenient = false
    /// Small known inputs are evaluated, so that shape arithmetic in any operator folds.
    public var evaluatesSmallConstants = true
    /// Nodes are held against their operators' signatures. Off in `run` where that has been done before; `extend` always does.
    public var checksSignatures = true
    /// How deep function calls may nest.
    public var maximumDepth = 64

    public init() {}
  }

  private var graph: Graph
  private let functions: [Function]
  private let options: Options
  private let depth: Int
  private var checksSignatures: Bool
  /// Facts by `ValueID.index`.
  public private(set) var facts: [ValueFacts]
  /// What broke a rule, where `isLenient`.
  public private(set) var problems: [CameoError] = []
  /// Nodes whose operator is not known here.
  public private(set) var unknownNodes: [NodeID] = []
  private var isSeen: [Bool]

  public init(_ graph: Graph, functions: [Function] = [], options: Options = Options(), depth: Int = 0) {
    self.graph = graph
    self.functions = functions
    self.options = options
    self.depth = depth
    checksSignatures = options.checksSignatures
    facts = [ValueFacts](repeating: .unknown, count: graph.valueCapacity)
    isSeen = [Bool](repeating: false, count: graph.valueCapacity)
  }

  /// Infers the main region. Throws the first broken rule with its node.
  public func run() throws {
    for input in graph.inputs {
      let info = graph[input]
      if let constant = options.inputConstants[input] {
        var fact = ValueFacts(constant: constant)
        // An empty sequence or optional does not tell its type.
        fact.type = fact.type ?? info.type
        note(input, fact)
        continue
      }
      var type = options.inputTypes[input] ?? info.type?.substituting(options.bindings)
      // A missing dimension name is a dimension of its own.
      if let declared = type, case .tensor(let element, let shape) = declared, let shape {
        type = .tensor(element, shape)
      }
      note(input, ValueFacts(type: type))
    }
    try infer(region: .main)
  }

  /// Infers a function body or a main region for given input facts; the facts of its outputs.
  public func run(inputs: [ValueFacts?]) throws -> [ValueFacts] {
    for (index, input) in graph.inputs.enumerated() {
      note(input, (index < inputs.count ? inputs[index] : nil) ?? ValueFacts(type: graph[input].type))
    }
    try infer(region: .main)
    return graph.outputs.map { self[$0] }
  }

  public subscript(value: ValueID) -> ValueFacts {
    let index = Int(value.index)
    if !isSeen[index] {
      isSeen[index] = true
      if graph[value].isConstant, let constant = graph[value].constant {
        facts[index] = ValueFacts(constant: constant)
      } else {
        facts[index] = ValueFacts(type: graph[value].type?.substituting(options.bindings))
      }
    }
    return facts[index]
  }

  /// Lets go of the graph, so that its owner edits it in place; `extend` must follow before anything is asked.
  public func release() { graph = Graph() }

  /// Takes an edited graph over: facts of existing values stay, `added` nodes are inferred (in an order that their inputs
  /// allow), and `touched` ones again. A node that breaks its operator's rules leaves its outputs unknown.
  public func extend(to edited: Graph, inferring added: [NodeID], then touched: [NodeID]) {
    graph = edited
    checksSignatures = true
    let missing = graph.valueCapacity - facts.count
    if missing > 0 {
      facts += [ValueFacts](repeating: .unknown, count: missing)
      isSeen += [Bool](repeating: false, count: missing)
    }
    for id in added + touched where graph[id].isAlive {
      do { try infer(node: id) } catch {
        for case .some(let output) in graph[id].outputs { note(output, ValueFacts(type: graph[output].type)) }
      }
    }
  }

  private func note(_ value: ValueID, _ fact: ValueFacts) {
    isSeen[Int(value.index)] = true
    facts[Int(value.index)] = fact
  }

  private func infer(region: RegionID) throws {
    for id in graph.nodes(in: region) {
      do { try infer(node: id) } catch let error as CameoError {
        let located = error.within(graph.describe(id))
        guard options.isLenient else { throw located }
        problems.append(located)
        for case .some(let output) in graph[id].outputs {
          note(output, ValueFacts(type: graph[output].type?.substituting(options.bindings)))
        }
      }
    }
  }

  private func infer(node id: NodeID) throws {
    let node = graph[id]
    let inputs = node.inputs.map { input in input.map { self[$0] } }
    var outputs: [ValueFacts]
    if !functions.isEmpty,
      let function = functions.first(where: { $0.operatorName == node.operatorName && $0.overload == node.overload })
    {
      outputs = try infer(call: node, of: function, inputs: inputs)
    } else if let op = OperatorRegistry[node.operatorName] {
      if checksSignatures { try op.checkSignature(of: node, types: inputs.map { $0?.type }) }
      var context = InferenceContext(node: node, inputs: inputs, symbolPrefix: "d\(id.index)") {
        [unowned self] body, facts in
        for (index, input) in graph[body].inputs.enumerated() {
          let declared = ValueFacts(type: graph[input].type?.substituting(options.bindings))
          note(input, index < facts.count ? ShapeInference.merge(facts[index], declared: declared.type) : declared)
        }
        try infer(region: body)
        return graph[body].outputs.map { self[$0] }
      }
      try op.infer(&context)
      outputs = context.outputs
      if checksSignatures { try op.checkResults(outputs.map(\.type), types: inputs.map { $0?.type }) }
      if options.evaluatesSmallConstants { evaluate(op, node, inputs, &outputs) }
    } else {
      unknownNodes.append(id)
      outputs = [ValueFacts](repeating: .unknown, count: node.outputs.count)
    }
    for (index, output) in node.outputs.enumerated() {
      guard let output else { continue }
      let fact = index < outputs.count ? outputs[index] : .unknown
      note(output, ShapeInference.merge(fact, declared: graph[output].type?.substituting(options.bindings)))
    }
  }

  /// Inferred facts win; what they leave open comes from the declared type.
  static func merge(_ fact: ValueFacts, declared: ValueType?) -> ValueFacts {
    guard let declared else { return fact }
    guard let type = fact.type else {
      var result = fact
      result.type = declared
      return result
    }
    guard case .tensor(let element, let shape) = type, case .tensor(let otherElement, let otherShape) = declared else {
      return fact
    }
    var result = fact
    var dims = shape ?? otherShape
    if let own = shape, let other = otherShape, own.count == other.count {
      // A dimension of unknown origin takes the declared value or name.
      dims = zip(own, other).map { a, b in
        if a.isKnown { return a }
        if b.isKnown { return b }
        if let name = a.symbolName, ShapeInference.isGenerated(name), b.symbolName != nil { return b }
        return a
      }
    }
    result.type = .tensor(element ?? otherElement, dims)
    return result
  }

  /// True for names that `InferenceContext.unknownDim` gives: `d12_1`.
  static func isGenerated(_ name: String) -> Bool {
    guard name.utf8.first == UInt8(ascii: "d"), let underscore = name.utf8.firstIndex(of: UInt8(ascii: "_")) else {
      return false
    }
    let digits = name.utf8[name.utf8.index(after: name.utf8.startIndex)..<underscore]
    return !digits.isEmpty && digits.allSatisfy { $0 >= 48 && $0 <= 57 }
  }

  private func evaluate(_ op: any Operator, _ node: Node, _ inputs: [ValueFacts?], _ outputs: inout [ValueFacts]) {
    if !op.traits.isDisjoint(with: [.random, .controlFlow])
      || outputs.allSatisfy({ $0.constant != nil || $0.symbols != nil })
    {
      return
    }
    var values: [Value?] = []
    for input in inputs {
      guard let input else { values.append(nil); continue }
      guard let tensor = input.tensor, tensor.count <= ValueFacts.symbolLimit else { return }
      values.append(.tensor(tensor))
    }
    for output in outputs {
      guard let shape = output.type?.concreteShape, let count = try? Tensor.elementCount(shape),
        count <= ValueFacts.symbolLimit
      else { return }
    }
    guard let results = try? op.evaluate(EvaluationContext(node: node, inputs: values)) else { return }
    for (index, result) in results.enumerated() where index < outputs.count {
      if let result { outputs[index] = ValueFacts(constant: result) }
    }
  }

  private func infer(call node: Node, of function: Function, inputs: [ValueFacts?]) throws -> [ValueFacts] {
    guard depth < options.maximumDepth else { throw CameoError.badInput("functions call each other without end") }
    let body = try function.specialized(for: node)
    var nested = options
    nested.inputTypes = [:]
    nested.inputConstants = [:]
    let inference = ShapeInference(body, functions: functions, options: nested, depth: depth + 1)
    let outputs = try within("function \(function.operatorName)") { try inference.run(inputs: inputs) }
    problems += inference.problems
    return outputs
  }
}

extension Function {
  /// The body for one call: attribute references replaced by the call's attributes, or by the defaults, or dropped.
  public func specialized(for call: Node) throws -> Graph {
    var graph = body
    for id in graph.allNodes {
      for attribute in graph[id].attributes {
        guard case .reference(let name, _) = attribute.value else { continue }
        let bound = call[name] ?? attributeDefaults.first { $0.name == name }?.value
        if let bound {
          if !bound.regions.isEmpty { throw CameoError.unsupported("attribute \(name) hands a graph to a function") }
          graph.setAttribute(attribute.name, of: id, to: bound, keepingSource: true)
        } else {
          graph.setAttribute(attribute.name, of: id, to: nil, keepingSource: true)
        }
      }
      // A Constant whose value was a reference is a constant now.
      if graph[id].is("Constant") { try graph.resolveConstant(id) }
    }
    return graph
  }
}

extension Graph {
  /// Replaces a Constant node by a constant value, where its attribute is a plain one. The node goes.
  public mutating func resolveConstant(_ id: NodeID) throws {
    let node = self[id]
    guard node.outputs.count == 1, let output = node.output(0),
      let attribute = node.attributes.first(where: { $0.value.constantValue != nil }),
      let value = attribute.value.constantValue
    else { return }
    let form = ValueInfo.ConstantForm.node(name: node.name, attribute: attribute.name, labels: attribute.labels)
    let constant = addConstant(try value(), name: self[output].name, form: form, in: node.region)
    let origins = node.origins
    modify(constant) { $0.origins = origins }
    replaceAllUses(of: output, with: constant)
    removeNode(id)
  }
}

extension Attribute {
  /// The value that a Constant node with this attribute has.
  public var constantValue: (() throws -> Value)? {
    switch self {
    case .tensor(let tensor): { .tensor(tensor) }
    case .sparse(let sparse): { .sparse(sparse) }
    case .int(let value): { .tensor(try .scalar(value, .int64)) }
    case .ints(let values): { .tensor(try .of(values, .int64)) }
    case .float(let value): { .tensor(try .scalar(value, .float)) }
    case .floats(let values): { .tensor(try .of(values, .float)) }
    case .string(let value): { .tensor(try Tensor(strings: [value], shape: [])) }
    case .strings(let values): { .tensor(try Tensor(strings: values, shape: [values.count])) }
    default: nil
    }
  }
}
