import GraphIR
import Tensors

struct OptionalGetElement: Operator {
  let name = OperatorName("OptionalGetElement")

  func infer(_ context: inout InferenceContext) throws {
    if case .optional(let type)? = context.type(0) { return context.set(0, ValueFacts(type: type)) }
    context.set(0, ValueFacts(type: context.type(0)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    guard case .optional(let inner) = try context.value(0) else { return [try context.value(0)] }
    guard let inner else { throw CameoError.badInput("the optional holds nothing") }
    return [inner]
  }

  /// Before opset 18 it took optionals only; what else is there is its own element.
  func lower(_ graph: inout Graph, _ node: NodeID, to version: Int) throws {
    guard version < 18, let input = graph[node].input(0) else { return }
    guard let type = graph[input].type else { throw CameoError.unsupported("a value of unknown type before opset 18") }
    if case .optional = type { return }
    graph.replaceNode(node, by: graph.emit("Identity", [input], like: node))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(OptionalGetElement(), to: $0) })
