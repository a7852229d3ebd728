import GraphIR
import Tensors

/// ai.cameo.IntegerMatMul: a product of 8-bit matrices in exact int32 sums (which wrap), with what `IntegerEpilogue` does to each.
///
/// A [.., M, K] and B [.., K, N] as MatMul takes them, less their zero points (of A one, of B one or one a column; absent ones are 0).
/// With `transB` B is [.., N, K]. Z has the result's shape: float, or 8-bit with `z_scale`. Y is float, or with `y_scale` and `y_zero` of
/// y_zero's type.
struct IntegerMatMul: Operator {
  private typealias Input = IntegerEpilogue.Input

  let name = OperatorName("IntegerMatMul", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O IntegerMatMul 1 5 12 1 1
    a activation string
    a activation_params floats
    a transB int=0
    i A TA
    i a_scale T
    i? a_zero TA
    i B TB
    i b_scale T
    i? b_zero TB
    i? bias T
    i? y_scale T
    i? y_zero TQ
    i? Z TZ
    i? z_scale T
    i? z_zero TR
    o Y TY
    c T tensor(*):float
    c TA tensor(*):uint8,int8
    c TB tensor(*):uint8,int8
    c TQ tensor(*):uint8,int8
    c TR tensor(*):uint8,int8
    c TY tensor(*):float,uint8,int8
    c TZ tensor(*):float,uint8,int8
    """
  }

  private func isTransposed(_ attributes: AttributeReader, rank: Int) throws -> Bool {
    try attributes.bool("transB") && rank > 1
  }

  func infer(_ context: inout InferenceContext) throws {
    var b = context.shape(Input.b)
    if let rank = b?.count, try isTransposed(context.attributes, rank: rank) { b?.swapAt(rank - 1, rank - 2) }
    let columns = b.flatMap { $0.count > 1 ? $0.last : Dim(1) }
    let type = try IntegerEpilogue.infer(&context, columns: columns)
    let shape = try MatrixProduct.shape(context, context.shape(Input.a), b)
    context.set(0, type, try IntegerEpilogue.unify(&context, shape))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(Input.a)
    var b = try context.tensor(Input.b)
    if try isTransposed(context.attributes, rank: b.rank) {
      b = try LastChannels.transpose(b, Array(0..<b.rank - 2) + [b.rank - 1, b.rank - 2])
    }
    let columns = b.rank > 1 ? b.shape[b.rank - 1] : 1
    try IntegerEpilogue.checkZero(context, columns: columns)
    let sums = try WholeProduct.matmul(
      WholeNumbers.centered(a, context.optionalTensor(Input.aZero), axis: max(0, a.rank - 2)),
      WholeNumbers.centered(b, context.optionalTensor(Input.bZero), axis: max(0, b.rank - 1)))
    return [.tensor(try IntegerEpilogue.finish(context, sums, columns: max(1, columns)))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(IntegerMatMul(), to: $0) })
