import GraphIR
import Tensors

struct SequenceLength: Operator {
  let name = OperatorName("SequenceLength")

  func infer(_ context: inout InferenceContext) throws { context.set(0, .int64, []) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    [.tensor(try .scalar(Int64(NNSequence.elements(context.value(0)).count), .int64))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SequenceLength(), to: $0) })
