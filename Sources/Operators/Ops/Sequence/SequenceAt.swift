import GraphIR
import Tensors

struct SequenceAt: Operator {
  let name = OperatorName("SequenceAt")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, ValueFacts(type: NNSequence.elementType(context.type(0))))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let elements = try NNSequence.elements(context.value(0))
    return [elements[try NNSequence.position(context.tensor(1), count: elements.count)]]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceAt(), to: $0) })
