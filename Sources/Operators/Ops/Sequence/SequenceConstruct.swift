import GraphIR
import Tensors

struct SequenceConstruct: Operator {
  let name = OperatorName("SequenceConstruct")

  func infer(_ context: inout InferenceContext) throws {
    guard var type = context.type(0) else { return }
    for index in 1..<max(1, context.inputs.count) {
      guard let merged = context.merged(type, context.type(index)) else { return }
      type = merged
    }
    context.set(0, ValueFacts(type: .sequence(type)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    [.sequence(try context.inputs.indices.map { try context.value($0) })]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceConstruct(), to: $0) })
