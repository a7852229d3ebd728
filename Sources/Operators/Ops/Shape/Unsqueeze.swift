import GraphIR
import Tensors

/// Unsqueeze: puts axes of length 1 where `axes` (places in the result) says.
struct Unsqueeze: Operator {
  let name = OperatorName("Unsqueeze")
  let traits: OperatorTraits = .dataMovement

  private func expand<T>(_ shape: [T], _ axes: [Int], one: T) throws -> [T] {
    let rank = shape.count + axes.count
    let added = Set(try Axes.normalize(axes, rank: rank))
    var rest = shape[...]
    return (0..<rank).map { added.contains($0) ? one : rest.removeFirst() }
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard let shape = context.shape(0) else { return context.set(0, type, nil) }
    guard let axes = context.ints(1) else {
      guard let count = context.length(1) else { return context.set(0, type, nil) }
      return context.set(0, type, context.unknownShape(rank: shape.count + count))
    }
    context.set(0, type, try expand(shape, axes, one: 1), symbols: context.facts(0)?.symbols)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    return [.tensor(try data.reshaped(try expand(data.shape, try context.tensor(1).ints(), one: 1)))]
  }

  func upgrade(_ graph: inout Graph, _ node: NodeID, from version: Int) throws {
    if version < 13 { try graph.moveAttributeToInput("axes", of: node, at: 1) }
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 13 else { return }
    try graph.moveInputToAttribute(1, of: node, named: "axes", Attribute.ints)
    guard version < 11, case .ints(let axes) = graph[node]["axes"] else { return }
    try graph.countAxesFromFront(node, rank: graph.rank(graph[node].input(0)).map { $0 + axes.count })
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Unsqueeze(), to: $0) })
