import GraphIR
import Tensors

/// Optional: a value, or none of the type that the attribute says.
struct OptionalConstruct: Operator {
  let name = OperatorName("Optional")

  func infer(_ context: inout InferenceContext) throws {
    if let type = context.type(0) { return context.set(0, ValueFacts(type: .optional(type))) }
    if case .type(let type) = context.attributes.node["type"], !context.hasInput(0) {
      context.set(0, ValueFacts(type: .optional(type)))
    }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    [.optional(context.hasInput(0) ? try context.value(0) : nil)]
  }
}

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
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(OptionalConstruct(), to: $0) })
@used @section("cameo_operators")
private let hasRegistration: RegistryRecord = (0, { OperatorRegistry.submit(OptionalHasElement(), to: $0) })
@used @section("cameo_operators")
private let getRegistration: RegistryRecord = (0, { OperatorRegistry.submit(OptionalGetElement(), to: $0) })
