import GraphIR
import Tensors

/// MatMulInteger: int32 products of 8-bit integers less their zero points.
struct MatMulInteger: Operator {
  let name = OperatorName("MatMulInteger")

  func infer(_ context: inout InferenceContext) throws {
    context.set(0, .int32, try MatrixProduct.shape(context, context.shape(0), context.shape(1)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    let b = try context.tensor(1)
    let x = try WholeNumbers.centered(a, context.optionalTensor(2), axis: max(0, a.rank - 2))
    let y = try WholeNumbers.centered(b, context.optionalTensor(3), axis: max(0, b.rank - 1))
    return [.tensor(try WholeProduct.matmul(x, y))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MatMulInteger(), to: $0) })
