public import GraphIR
public import Tensors

/// What a composed operator is written with: nodes of the standard dialect, one at a time.
///
/// One composition serves three ends: portable evaluation (`EvaluatingComposer` runs each node as it is stated), inference
/// (`InferringComposer` follows types and shapes) and rewriting (the pass ExpandMicrosoft adds the nodes to the graph). So what
/// an operator means, what inference says of it and what it is expanded to cannot differ.
public protocol Composer {
  associatedtype Ref

  /// The composed operator's own node: attributes, and which inputs and outputs are there.
  var node: Node { get }
  /// nil where the input is left out.
  func input(_ index: Int) -> Ref?
  /// What is known of a value now; during evaluation, everything.
  func facts(_ ref: Ref) -> ValueFacts
  /// Whether operators of the standard domain that came with this opset may be stated.
  func mayEmit(opset: Int) -> Bool
  /// Whether operators of ai.cameo may be stated.
  var mayEmitCameo: Bool { get }
  mutating func constant(_ tensor: Tensor) throws -> Ref
  /// States a node. Throws where its inputs break the operator's rules for certain.
  mutating func nodes(
    _ type: OperatorName, _ inputs: [Ref?], _ attributes: [NamedAttribute], outputs: Int
  ) throws -> [Ref]
}

/// An operator that is a few nodes of the standard dialect.
///
/// Half and bfloat16 inputs are widened at the start and rounded once at the end, as the runtimes' kernels do.
public protocol ComposedOperator: Operator {
  /// The outputs by position; nil for those that are not wanted. Throws `Undecided` where the composition hangs on
  /// something not known yet (a rank, a dimension).
  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?]
  /// Types of the outputs where the composition cannot be stated yet.
  func inferOpen(_ context: inout InferenceContext)
}

/// What a composition needs to know and cannot yet.
public struct Undecided: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

extension ComposedOperator {
  public func inferOpen(_ context: inout InferenceContext) { context.set(0, context.dataType(0), nil) }

  public func infer(_ context: inout InferenceContext) throws {
    var composer = InferringComposer(context)
    do {
      for (index, facts) in try compose(&composer).enumerated() {
        if let facts { context.set(index, facts) }
      }
    } catch is Undecided { inferOpen(&context) }
  }

  public func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    var composer = EvaluatingComposer(context)
    do { return try compose(&composer).map { $0.map { .tensor($0) } } } catch let error as Undecided {
      throw CameoError.badInput(error.description)
    }
  }
}

/// Runs each node as it is stated.
struct EvaluatingComposer: Composer {
  let node: Node
  let mayEmitCameo = false
  private let context: EvaluationContext
  private let options: GraphEvaluator.Options

  init(_ context: EvaluationContext) {
    self.context = context
    node = context.node
    var options = GraphEvaluator.Options()
    options.accumulatesInDouble = context.accumulatesInDouble
    options.seed = context.seed
    self.options = options
  }

  func input(_ index: Int) -> Tensor? { (try? context.optionalTensor(index)) ?? nil }
  func facts(_ ref: Tensor) -> ValueFacts { ValueFacts(constant: .tensor(ref)) }
  func mayEmit(opset: Int) -> Bool { true }
  func constant(_ tensor: Tensor) -> Tensor { tensor }

  func nodes(
    _ type: OperatorName, _ inputs: [Tensor?], _ attributes: [NamedAttribute], outputs: Int
  ) throws -> [Tensor] {
    let node = Graph.detachedNode(type, inputs: inputs.map { $0 != nil }, outputs: outputs, attributes)
    let results = try within("its \(type)") {
      try GraphEvaluator.evaluate(node, inputs: inputs.map { $0.map { .tensor($0) } }, options: options)
    }
    return try (0..<outputs).map { index in
      guard index < results.count, let tensor = results[index]?.tensor else {
        throw CameoError.unsupported("output \(index) of \(type) is not computed")
      }
      return tensor
    }
  }
}

/// Follows types, shapes and small contents.
public struct InferringComposer: Composer {
  public let node: Node
  public let mayEmitCameo = false
  private let inputs: [ValueFacts?]
  private let prefix: String
  private var count = 0

  init(_ context: InferenceContext) {
    node = context.node
    inputs = context.inputs
    prefix = context.symbolPrefix
  }

  /// For a rewrite of `node`; `prefix` names dimensions that are not known.
  public init(_ node: Node, inputs: [ValueFacts?], prefix: String) {
    self.node = node
    self.inputs = inputs
    self.prefix = prefix
  }

  public func input(_ index: Int) -> ValueFacts? { index < inputs.count ? inputs[index] : nil }
  public func facts(_ ref: ValueFacts) -> ValueFacts { ref }
  public func mayEmit(opset: Int) -> Bool { true }
  public func constant(_ tensor: Tensor) -> ValueFacts { ValueFacts(constant: .tensor(tensor)) }

  public mutating func nodes(
    _ type: OperatorName, _ inputs: [ValueFacts?], _ attributes: [NamedAttribute], outputs: Int
  ) throws -> [ValueFacts] {
    guard let op = OperatorRegistry[type] else { throw CameoError.unsupported("operator \(type) is not known") }
    count += 1
    let node = Graph.detachedNode(type, inputs: inputs.map { $0 != nil }, outputs: outputs, attributes)
    var context = InferenceContext(node: node, inputs: inputs, symbolPrefix: "\(prefix)_\(count)")
    try within("its \(type)") { try op.infer(&context) }
    return context.outputs
  }
}

extension Graph {
  /// A node that stands in no graph: what operators are asked with outside of one.
  static func detachedNode(
    _ type: OperatorName, inputs: [Bool], outputs: Int, _ attributes: [NamedAttribute]
  ) -> Node {
    var graph = Graph()
    let given = inputs.map { isGiven in isGiven ? graph.addValue(name: "") : nil }
    let results: [ValueID?] = (0..<outputs).map { _ in graph.addValue(name: "") }
    let id = graph.addNode(type, inputs: given, outputs: results, attributes: attributes)
    return graph[id]
  }
}
