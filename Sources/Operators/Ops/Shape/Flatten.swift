import GraphIR
import Tensors

/// Flatten: a matrix; the axes before `axis` are its rows.
struct Flatten: Operator {
  let name = OperatorName("Flatten")
  let traits: OperatorTraits = .dataMovement

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard let shape = context.shape(0) else { return context.set(0, type, context.unknownShape(rank: 2)) }
    let axis = try context.normalize(
      axis: try context.attributes.int("axis", default: 1), rank: shape.count, inclusive: true)
    context.set(0, type, [Axes.product(shape[..<axis]), Axes.product(shape[axis...])])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let data = try context.tensor(0)
    let given = try context.attributes.int("axis", default: 1)
    let axis = given < 0 ? given + data.rank : given
    guard axis >= 0, axis <= data.rank else {
      throw CameoError.badInput("axis \(given) lies outside a tensor of rank \(data.rank)")
    }
    let rows = try Tensor.elementCount(data.shape[..<axis])
    let columns = try Tensor.elementCount(data.shape[axis...])
    return [.tensor(try data.reshaped([rows, columns]))]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    if version < 11 { try graph.countAxisFromFront(node, rank: graph.rank(graph[node].input(0))) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Flatten(), to: $0) })
