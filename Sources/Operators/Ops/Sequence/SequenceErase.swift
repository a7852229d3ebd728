import GraphIR
import Tensors

struct SequenceErase: Operator {
  let name = OperatorName("SequenceErase")

  func infer(_ context: inout InferenceContext) throws { context.set(0, ValueFacts(type: context.type(0))) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    var elements = try NNSequence.elements(context.value(0))
    guard !elements.isEmpty else { throw CameoError.badInput("nothing can be erased from an empty sequence") }
    let place = try context.optionalTensor(1).map { try NNSequence.position($0, count: elements.count) }
    elements.remove(at: place ?? elements.count - 1)
    return [.sequence(elements)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceErase(), to: $0) })
