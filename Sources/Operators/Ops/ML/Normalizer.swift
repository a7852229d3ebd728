import GraphIR
import Tensors

/// Normalizer: each row of [N, C] (or [C]) divided by its norm, in float; a row whose divisor is 0 stays as it is.
///
/// MAX divides by the greatest element, sign kept, as the standard and ONNX Runtime say (`onnx.reference`: by the greatest
/// magnitude); L1 by the sum of magnitudes, as both implementations do.
struct Normalizer: Operator {
  let name = OperatorName("Normalizer", domain: "ai.onnx.ml")

  func infer(_ context: inout InferenceContext) throws {
    try context.require(rank: 1...2, of: 0)
    context.set(0, .float, context.shape(0))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    let shape = try MLRows(x)
    let norm = try context.attributes.string("norm", default: "MAX")
    guard ["MAX", "L1", "L2"].contains(norm) else {
      throw CameoError.badInput("norm is \(norm); MAX, L1 or L2 was expected")
    }
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(.float, x.shape, as: Double.self) { out in
          if shape.features == 0 { return }
          NNParallel.ranges(shape.rows, grain: max(1, 1 << 15 / shape.features)) { range in
            for row in range {
              let elements = row * shape.features..<(row + 1) * shape.features
              var divisor = norm == "MAX" ? view[elements.lowerBound] : 0
              for i in elements {
                switch norm {
                case "MAX": divisor = max(divisor, view[i])
                case "L1": divisor += view[i].magnitude
                default: divisor += view[i] * view[i]
                }
              }
              if norm == "L2" { divisor = divisor.squareRoot() }
              for i in elements { out[i] = divisor == 0 ? view[i] : view[i] / divisor }
            }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Normalizer(), to: $0) })
