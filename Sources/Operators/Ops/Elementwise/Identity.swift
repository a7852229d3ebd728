import GraphIR
import Tensors

/// Identity: the input, of whatever kind.
struct Identity: Operator {
  let name = OperatorName("Identity")
  let traits: OperatorTraits = [.elementwise, .dataMovement]

  func infer(_ context: inout InferenceContext) throws {
    if let facts = context.facts(0) { context.set(0, facts) }
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] { [try context.value(0)] }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Identity(), to: $0) })
