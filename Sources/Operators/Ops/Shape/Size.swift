import GraphIR
import Tensors

/// Size: the number of elements, int64.
struct Size: Operator {
  let name = OperatorName("Size")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, .int64, [], symbols: context.shape(0).map { [Axes.product($0)] })
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    [.tensor(try .scalar(Int64(try context.tensor(0).count), .int64))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Size(), to: $0) })
