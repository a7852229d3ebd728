import GraphIR
import Tensors

struct SequenceEmpty: Operator {
  let name = OperatorName("SequenceEmpty")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, ValueFacts(type: .sequence(.tensor(try context.attributes.dataType("dtype") ?? .float, nil))))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] { [.sequence([])] }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceEmpty(), to: $0) })
