import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// SwiGLU: a * sigmoid(alpha * a) * b, without broadcasting.
struct SwiGLU: Operator {
  let name = OperatorName("SwiGLU")
  let traits: OperatorTraits = .elementwise

  func infer(_ context: inout InferenceContext) throws {
    var shape = context.shape(0) ?? context.shape(1)
    if let a = context.shape(0), let b = context.shape(1) {
      guard a.count == b.count else { throw CameoError.badInput("A and B have ranks \(a.count) and \(b.count)") }
      shape = try zip(a, b).map { try context.unify($0, $1, "dimensions of A and B") }
    }
    context.set(0, context.dataType(0) ?? context.dataType(1), shape)
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let b = try context.tensor(1)
    guard a.shape == b.shape, a.dataType == b.dataType else { throw CameoError.badInput("A is \(a), B is \(b)") }
    let alpha = Double(try context.attributes.float("alpha", default: 1))
    let x = try ElementView<Double>(a)
    let y = try ElementView<Double>(b)
    return [
      .tensor(
        try Tensor.make(a.dataType, a.shape, as: Double.self) { out in
          for i in 0..<x.count { out[i] = x[i] / (1 + exp(-alpha * x[i])) * y[i] }
        })
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(SwiGLU(), to: $0) })
