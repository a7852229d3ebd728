import GraphIR
import Tensors

struct OptionalHasElement: Operator {
  let name = OperatorName("OptionalHasElement")

  func infer(_ context: inout InferenceContext) throws { context.set(0, .bool, []) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    var isThere = context.hasInput(0)
    if isThere, case .optional(nil) = try context.value(0) { isThere = false }
    return [.tensor(try .scalar(isThere, .bool))]
  }

  /// Before opset 18 it took optionals only: what else is there has an element, and nothing has none.
  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 18 else { return }
    let type = graph[node].input(0).flatMap { graph[$0].type }
    if graph[node].input(0) != nil {
      guard let type else { throw CameoError.unsupported("a value of unknown type before opset 18") }
      if case .optional = type { return }
    }
    let answer = graph.emitConstant(try .scalar(graph[node].input(0) != nil, .bool), like: node)
    graph.replaceNode(node, by: graph.emit("Identity", [answer], like: node))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(OptionalHasElement(), to: $0) })
