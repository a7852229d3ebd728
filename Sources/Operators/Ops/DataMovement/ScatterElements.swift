import GraphIR
import Tensors

/// ScatterElements: a copy of `data` where the elements that `indices` names along `axis` are replaced by (or joined with)
/// `updates`, in row-major order of the indices.
struct ScatterElements: Operator {
  let name = OperatorName("ScatterElements")

  func infer(_ context: inout InferenceContext) throws {
    let type = try context.commonType([0, 2])
    if let data = context.shape(0) {
      _ = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: data.count)
      try context.require(rank: data.count...data.count, of: 1)
      try context.require(rank: data.count...data.count, of: 2)
    }
    context.set(0, type, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (data, indices, updates) = (try context.tensor(0), try context.tensor(1), try context.tensor(2))
    guard indices.shape == updates.shape else {
      throw CameoError.badInput("indices \(indices.shape) and updates \(updates.shape) must have one shape")
    }
    let axis = try Axes.normalize(try context.attributes.int("axis", default: 0), rank: data.rank)
    let target = try ElementPlaces(data.shape, indices, axis: axis)
    let reduction = try ScatterReduction(context.attributes)
    return [.tensor(try reduction.apply(data, updates, runs: indices.count, of: 1) { try target.place($0) })]
  }

  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    let reduction = try ScatterReduction(AttributeReader(graph[node]))
    if version < 18, reduction == .max || reduction == .min {
      throw CameoError.unsupported("before opset 18 there is no reduction \(reduction.rawValue)")
    }
    guard version < 16 else { return }
    guard reduction == .none else { throw CameoError.unsupported("before opset 16 there is no reduction") }
    graph.setAttribute("reduction", of: node, to: nil)
  }

  /// Opsets 9 and 10 called it Scatter.
  func replace(_ graph: inout Graph, _ node: NodeID, before opset: Int) throws -> Bool {
    guard opset >= 9 else { return false }
    try lower(&graph, node, to: 11)
    graph.setOperator(OperatorName("Scatter"), of: node)
    return true
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(ScatterElements(), to: $0) })
