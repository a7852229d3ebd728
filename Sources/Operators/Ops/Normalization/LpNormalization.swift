import GraphIR
import Tensors

/// LpNormalization: x / its norm along `axis`; a norm of 0 gives 0.
struct LpNormalization: Operator {
  let name = OperatorName("LpNormalization")

  func infer(_ context: inout InferenceContext) throws { context.set(0, context.dataType(0), context.shape(0)) }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let x = try context.tensor(0)
    var axis = try context.attributes.int("axis", default: -1)
    if axis < 0 { axis += x.rank }
    guard axis >= 0, axis < x.rank else {
      throw CameoError.badInput("axis \(axis) lies outside a tensor of rank \(x.rank)")
    }
    let p = try context.attributes.int("p", default: 2)
    guard p == 1 || p == 2 else { throw CameoError.badInput("attribute p is \(p), 1 or 2 was expected") }
    let n = x.shape[axis]
    let inner = x.shape[(axis + 1)...].reduce(1, *)
    let view = try ElementView<Double>(x)
    return [
      .tensor(
        try Tensor.make(x.dataType, x.shape, as: Double.self) { out in
          for line in 0..<x.shape[..<axis].reduce(inner, *) {
            let start = line / inner * inner * n + line % inner
            var sum = 0.0
            for i in 0..<n {
              let value = view[start + i * inner]
              sum += p == 1 ? abs(value) : value * value
            }
            let norm = p == 1 ? sum : sum.squareRoot()
            for i in 0..<n { out[start + i * inner] = norm == 0 ? 0 : view[start + i * inner] / norm }
          }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LpNormalization(), to: $0) })
