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

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(OptionalConstruct(), to: $0) })
