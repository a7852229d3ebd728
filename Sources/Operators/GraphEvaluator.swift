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
      values[Int(input.index)] = value
    }
    try run(region: .main)
    let results = try graph.outputs.map { try self.value($0) }
    for index in values.indices where !options.keepsAll { values[index] = nil }
    return results
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
    let node = graph[id]
    let inputs = node.inputs.map { input in input.flatMap { self[$0] } }
    let outputs = try GraphEvaluator.evaluate(
      node, inputs: inputs, functions: functions, options: options, depth: depth
    ) { [unowned self] body, arguments in
      for (index, input) in graph[body].inputs.enumerated() {
        values[Int(input.index)] = (index < arguments.count ? arguments[index] : nil) ?? graph[input].constant
      }
      try run(region: body)
      return try graph[body].outputs.map { try value($0) }
    }
    for (index, output) in node.outputs.enumerated() {
      guard let output else { continue }
      guard index < outputs.count, let value = outputs[index] else {
        throw CameoError.unsupported("output \(index) is not computed")
      }
      values[Int(output.index)] = value
      try observer?(id, output, value)
    }
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
