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
    var body = Graph(name: "body")
    var inner: [ValueID: ValueID] = [:]
    var arguments: [ValueID] = []
    func take(_ value: ValueID) -> ValueID {
      if let known = inner[value] { return known }
      let copy: ValueID
      if let tensor = graph.constant(value), ElementwiseChains.isParameter(tensor) {
        copy = body.addConstant(tensor, name: "c\(body.valueCapacity)")
      } else {
        copy = body.addValue(name: "x\(arguments.count)")
        body.addInput(copy)
        arguments.append(value)
      }
      inner[value] = copy
      return copy
    }
    for id in members {
      let node = graph[id]
      guard let output = node.output(0) else { continue }
      let inputs = node.inputs.map { $0.map { take($0) } }
      let result = body.addValue(name: id == root ? "y" : "t\(body.valueCapacity)")
      inner[output] = result
      body.addNode(node.operatorName, inputs: inputs, outputs: [result], attributes: node.attributes)
    }
    var change = GraphChange(rule: name, covers: members, isFusion: true)
    guard let output = graph[root].output(0), let result = inner[output] else { return change }
    body.setOutputs([result])
    change.replace(
      output,
      with: change.node(
        FusedElementwise.operatorName.name, domain: FusedElementwise.operatorName.domain,
        arguments.map { .existing($0) }, FusedElementwise.body, body: body, name: graph[root].name))
    return change
  }
}
