import GraphIR
import Operators
import PassKit
import Tensors

/// Joins chains of element-wise nodes into one node that computes them without storing what lies between (domain ai.cameo).
///
/// Before: `y = ReduceMean(Tanh(Mul(Add(x, b), s)), [-1])`. After: `ai.cameo.FusedElementwise<body = ...>(x, b, s)`.
///
/// Greedy, from each chain's end upwards, linear in nodes and edges. A node joins where its one result has only readers in
/// the chain and provably the chain's shape; so nothing is computed twice. A reduction over the last axes may end a chain.
/// What follows from shapes alone is left: a session computes it once. Runs where the result may hold ai.cameo: target
/// cameo, and level 3, for running.
public struct FuseElementwise: Pass {
  public let name = "FuseElementwise"
  public let summary = "joins chains of element-wise nodes into one node"
  public let level = 2

  /// Most nodes and distinct operands of a chain: more steps do not save more memory traffic, and plans stay small.
  static let maximumNodes = 48
  static let maximumInputs = 16
  /// Chains over so few elements are left as they are.
  static let fewElements = 8

  public init() {}

  public func run(_ context: PassContext) throws {
    guard context.options.target == .cameo || context.options.level >= 3 || context.options.enabled.contains(name)
    else {
      return
    }
    for chain in ElementwiseChains(context, rule: name).find() { try context.apply(change(chain, context)) }
  }

  private func change(_ chain: ElementwiseChains.Chain, _ context: PassContext) throws -> GraphChange {
    let graph = context.graph
    let members = chain.nodes.sorted { chain.positions[$0, default: 0] < chain.positions[$1, default: 0] }
    let root = chain.nodes[0]
    var change = GraphChange(rule: name, covers: members, isFusion: true)
    guard let output = graph[root].output(0) else { return change }
    var builder = BodyBuilder(context)
    for id in members { try builder.append(id) }
    builder.finish(output)
    change.replace(
      output,
      with: change.node(
        FusedElementwise.operatorName.name, domain: FusedElementwise.operatorName.domain,
        builder.arguments.map { .existing($0) }, FusedElementwise.body, body: builder.body, name: graph[root].name))
    return change
  }

  /// Copies nodes into a body. Element types are stated, shapes are not: equal bodies serve several shapes.
  private struct BodyBuilder {
    private let context: PassContext
    private(set) var body = Graph(name: "body")
    /// The values that the body's inputs stand for.
    private(set) var arguments: [ValueID] = []
    private var inner: [ValueID: ValueID] = [:]

    init(_ context: PassContext) { self.context = context }

    private mutating func value(_ name: String, like original: ValueID) -> ValueID {
      body.addValue(name: name, type: context.dataType(original).map { .tensor($0, nil) })
    }

    private mutating func take(_ original: ValueID) -> ValueID {
      if let known = inner[original] { return known }
      let copy: ValueID
      if let tensor = context.graph.constant(original), ElementwiseChains.isParameter(tensor) {
        copy = body.addConstant(tensor, name: "c\(body.valueCapacity)")
      } else {
        copy = value("x\(arguments.count)", like: original)
        body.addInput(copy)
        arguments.append(original)
      }
      inner[original] = copy
      return copy
    }

    mutating func append(_ id: NodeID) throws {
      let node = context.graph[id]
      guard let output = node.output(0) else { return }
      var inputs = node.inputs.map { $0.map { take($0) } }
      if ElementwiseVocabulary.reductions.contains(node.type), let axes = try axes(node) { inputs[1] = axes }
      let result = value("t\(body.valueCapacity)", like: output)
      inner[output] = result
      body.addNode(node.operatorName, inputs: inputs, outputs: [result], attributes: node.attributes)
    }

    /// Axes counted from the front, which every opset has.
    private mutating func axes(_ node: Node) throws -> ValueID? {
      guard let input = node.input(1), let values = try context.graph.constant(input)?.ints(),
        let rank = context.rank(node.input(0)), values.contains(where: { $0 < 0 })
      else { return nil }
      return body.addConstant(
        try Tensor.of(values.map { Int64($0 < 0 ? $0 + rank : $0) }, .int64), name: "c\(body.valueCapacity)")
    }

    mutating func finish(_ output: ValueID) {
      guard let result = inner[output] else { return }
      body.setName("y", of: result)
      body.setOutputs([result])
      body.removeUnreadConstants()
    }
  }
}
