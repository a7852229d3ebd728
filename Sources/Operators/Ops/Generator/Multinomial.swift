import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Multinomial: `sample_size` class numbers a row, drawn by the row's unnormalised log-probabilities.
struct Multinomial: Operator {
  let name = OperatorName("Multinomial")
  let traits: OperatorTraits = .random

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 2...2, of: 0)
    let batch = context.shape(0)?[0] ?? context.unknownDim()
    let size = try context.attributes.int("sample_size", default: 1)
    guard size >= 0 else { throw CameoError.badInput("attribute sample_size is \(size), 0 or more was expected") }
    context.set(0, try context.attributes.dataType("dtype") ?? .int32, [batch, Dim(size)])
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (type, shape) = try context.outputType(0, by: self)
    let input = try context.tensor(0)
    let (rows, classes) = (input.shape[0], input.shape[1])
    guard classes > 0 || shape[0] * shape[1] == 0 else {
      throw CameoError.badInput("there are no classes to draw from")
    }
    let logits = try ElementView<Double>(input)
    var stream = RandomStream(seed: try context.attributes.optionalFloat("seed"), fallback: context.seed)
    return [
      .tensor(
        try Tensor.make(type, shape, as: Int64.self) { out in
          for row in 0..<rows {
            let top = (0..<classes).reduce(-Double.infinity) { Swift.max($0, logits[row * classes + $1]) }
            var totals: [Double] = []
            for i in 0..<classes { totals.append((totals.last ?? 0) + exp(logits[row * classes + i] - top)) }
            for sample in 0..<shape[1] {
              let point = stream.uniform() * (totals.last ?? 0)
              out[row * shape[1] + sample] = Int64(totals.firstIndex { point < $0 } ?? classes - 1)
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Multinomial(), to: $0) })
