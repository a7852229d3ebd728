public import GraphIR
public import Tensors

/// The one interpreter: behind the reference provider, constant folding, verification, function bodies and control flow.
///
/// Walks nodes in order through each operator's portable evaluation. Values of the main region are let go after their last
/// reader. Not safe for use from several threads at once; make one each.
public final class GraphEvaluator {
  public struct Options: Sendable {
    public var accumulatesInDouble = false
    public var seed: UInt64 = 0
    public var maximumDepth = 64
    /// Keeps every value of the main region until the end, for dumps and comparisons.
    public var keepsAll = false
    /// Carries every float, float16 and bfloat16 as double: what the graph means without its own rounding. Outputs are doubles.
    public var widensFloats = false

    public init() {}
  }

  private let graph: Graph
  private let functions: [Function]
  private let options: Options
  private let depth: Int
  private var values: [Value?]
  private let lastUses: [[ValueID]]
  /// Called with each node output as it is computed, bodies included.
  public var observer: ((NodeID, ValueID, Value) throws -> Void)?
  /// Asked before each node; throw to stop.
  public var checkpoint: (() throws -> Void)?

  public init(_ graph: Graph, functions: [Function] = [], options: Options = Options(), depth: Int = 0) {
    self.graph = graph
    self.functions = functions
    self.options = options
    self.depth = depth
    values = [Value?](repeating: nil, count: graph.valueCapacity)
    lastUses = options.keepsAll ? [] : GraphEvaluator.lastUses(graph)
  }

  /// For each position in the main region's order, the values that no later node reads.
  private static func lastUses(_ graph: Graph) -> [[ValueID]] {
    var position: [ValueID: Int] = [:]
    let order = graph.nodes
    for (index, id) in order.enumerated() {
      for case .some(let input) in graph[id].inputs { position[input] = index }
      for region in graph[id].regions {
        for captured in graph.capturedValues(of: region) { position[captured] = index }
      }
      for case .some(let output) in graph[id].outputs where position[output] == nil { position[output] = index }
    }
    for output in graph.outputs { position[output] = nil }
    var result = [[ValueID]](repeating: [], count: order.count)
    for (value, index) in position where !graph[value].isConstant { result[index].append(value) }
    return result
  }

  /// Runs the main region. `inputs` by position; nil takes the input's default. Throws the first failing node's error.
  public func run(_ inputs: [Value?]) throws -> [Value] {
    for (index, input) in graph.inputs.enumerated() {
      guard let value = (index < inputs.count ? inputs[index] : nil) ?? graph[input].constant else {
        // A function's optional input may be left out; its readers see it as absent.
        if depth > 0 { continue }
        throw CameoError.badInput("input \(graph[input].name) is missing")
      }
      values[Int(input.index)] = options.widensFloats ? try Widening.widened(value) : value
    }
    try run(region: .main)
    let results = try graph.outputs.map { try options.widensFloats ? Widening.widened(value($0)) : value($0) }
    for index in values.indices where !options.keepsAll { values[index] = nil }
    return results
  }

  /// Computes one node of the main region by itself, from what `known` gives for its inputs and for what its bodies capture.
  /// Outputs by position.
  public func evaluate(_ id: NodeID, from known: (ValueID) -> Value?) throws -> [Value?] {
    let node = graph[id]
    let needed = node.inputs.compactMap { $0 } + node.regions.flatMap { graph.capturedValues(of: $0) }
    for value in needed { values[Int(value.index)] = known(value) }
    defer { for index in values.indices { values[index] = nil } }
    do { try evaluate(id) } catch let error as CameoError { throw error.within(graph.describe(id)) }
    return node.outputs.map { $0.flatMap { values[Int($0.index)] } }
  }

  /// A value of the last run, where all were kept.
  public subscript(id: ValueID) -> Value? {
    values[Int(id.index)] ?? (graph[id].isConstant ? graph[id].constant : nil)
  }

  private func value(_ id: ValueID) throws -> Value {
    guard let value = self[id] else { throw CameoError.badInput("value \(graph[id].name) was not computed") }
    return value
  }

  private func run(region: RegionID) throws {
    for (position, id) in graph.nodes(in: region).enumerated() {
      try checkpoint?()
      do { try evaluate(id) } catch let error as CameoError { throw error.within(graph.describe(id)) }
      if region == .main && !options.keepsAll {
        for dead in lastUses[position] { values[Int(dead.index)] = nil }
      }
    }
  }

  private func evaluate(_ id: NodeID) throws {
    let inputs = graph[id].inputs.map { input in input.flatMap { self[$0] } }
    let outputs = options.widensFloats ? try widenedOutputs(of: id, inputs) : try self.outputs(of: graph[id], inputs)
    for (index, output) in graph[id].outputs.enumerated() {
      guard let output else { continue }
      guard index < outputs.count, let value = outputs[index] else {
        throw CameoError.unsupported("output \(index) is not computed")
      }
      values[Int(output.index)] = value
      try observer?(id, output, value)
    }
  }

  /// The value with every narrow float in it as double, as `widensFloats` carries it.
  public static func widened(_ value: Value) throws -> Value { try Widening.widened(value) }

  private func outputs(of node: Node, _ inputs: [Value?]) throws -> [Value?] {
    try GraphEvaluator.evaluate(
      node, inputs: inputs, functions: functions, options: options, depth: depth
    ) { [unowned self] body, arguments in
      for (index, input) in graph[body].inputs.enumerated() {
        values[Int(input.index)] = (index < arguments.count ? arguments[index] : nil) ?? graph[input].constant
      }
      try run(region: body)
      return try graph[body].outputs.map { try value($0) }
    }
  }

  private func widenedOutputs(of id: NodeID, _ inputs: [Value?]) throws -> [Value?] {
    let node = Widening.node(graph[id])
    let wide = try inputs.map { try $0.map { try Widening.widened($0) } }
    let isCall = functions.contains { $0.operatorName == node.operatorName && $0.overload == node.overload }
    let outputs: [Value?]
    do {
      outputs = try self.outputs(of: node, isCall ? wide : try Widening.inputs(wide, of: node))
    } catch let error as CameoError {
      // Type constraints that tie several parameters together may still want the operator's own type.
      if isCall || !node.regions.isEmpty { throw error }
      outputs = try self.outputs(of: graph[id], try Widening.inputs(wide, of: node, narrow: true))
    }
    return try outputs.map { try $0.map { try Widening.widened($0) } }
  }

  /// Evaluates one node on given inputs. `runBody` runs its bodies, where it has some.
  public static func evaluate(
    _ node: Node, inputs: [Value?], functions: [Function] = [], options: Options = Options(), depth: Int = 0,
    runBody: ((RegionID, [Value?]) throws -> [Value])? = nil
  ) throws -> [Value?] {
    if let function = functions.first(where: { $0.operatorName == node.operatorName && $0.overload == node.overload }) {
      guard depth < options.maximumDepth else { throw CameoError.badInput("functions call each other without end") }
      let body = try function.specialized(for: node)
      var nested = options
      nested.keepsAll = false
      return try within("function \(function.operatorName)") {
        try GraphEvaluator(body, functions: functions, options: nested, depth: depth + 1).run(inputs)
      }
    }
    guard let op = OperatorRegistry[node.operatorName] else {
      throw CameoError.unsupported("operator \(node.operatorName) is not known")
    }
    try op.checkSignature(of: node, types: inputs.map { $0?.elementType })
    return try op.evaluate(
      EvaluationContext(
        node: node, inputs: inputs, accumulatesInDouble: options.accumulatesInDouble, seed: options.seed,
        runBody: runBody))
  }
}
