import GraphIR
import Tensors

/// Bernoulli: 1 with the probability in the input, else 0. Numbers come from `RandomStream`.
struct Bernoulli: Operator {
  let name = OperatorName("Bernoulli")
  let traits: OperatorTraits = .random

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, try context.attributes.dataType("dtype") ?? context.dataType(0), context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let input = try context.tensor(0)
    let chances = try ElementView<Double>(input)
    var stream = RandomStream(seed: try context.attributes.optionalFloat("seed"), fallback: context.seed)
    let type = try context.attributes.dataType("dtype") ?? input.dataType
    return [
      .tensor(
        try Tensor.make(type, input.shape, as: Double.self) { out in
          for i in 0..<chances.count { out[i] = stream.uniform() < chances[i] ? 1 : 0 }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Bernoulli(), to: $0) })
