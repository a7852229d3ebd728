import GraphIR
import Tensors

/// ai.cameo.Float8MatMul: a product of matrices of 8-bit floats, scaled: activation((A a_scale) (B b_scale) + bias + residual).
///
/// A [.., M, K] and B [.., K, N] as MatMul takes them; with `transB` B is [.., N, K]. One scale for A, one for B or one a column of the
/// result; a bias is one row, a residual has the result's shape. Sums are those of float32, whatever the result's type is.
struct Float8MatMul: Operator {
  enum Input {
    static let (a, aScale, b, bScale) = (0, 1, 2, 3)
    static let (bias, residual) = (4, 5)
  }

  let name = OperatorName("Float8MatMul", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O Float8MatMul 1 4 6 1 1
    a activation string
    a activation_params floats
    a transB int=0
    i A TA
    i a_scale T
    i B TB
    i b_scale T
    i? bias T
    i? residual T
    o Y T
    c T tensor(*):float,float16,bfloat16
    c TA tensor(*):float8e4m3fn,float8e5m2
    c TB tensor(*):float8e4m3fn,float8e5m2
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    _ = try FusedActivation(context.attributes)
    try Quantized.requireScalar(context, Input.aScale)
    var b = context.shape(Input.b)
    if let rank = b?.count, rank > 1, try context.attributes.bool("transB") { b?.swapAt(rank - 1, rank - 2) }
    if let scale = context.shape(Input.bScale), !scale.allSatisfy({ $0.value == 1 }) {
      guard scale.count == 1 else {
        throw CameoError.badInput("b_scale has rank \(scale.count), one element or one a column was expected")
      }
      if let b, scale[0].value != nil {
        _ = try context.unify(scale[0], b.count > 1 ? b[b.count - 1] : Dim(1), "b_scale and the columns")
      }
    }
    let type = context.dataType(Input.aScale) ?? context.dataType(Input.bScale)
    context.set(0, type, try MatrixProduct.shape(context, context.shape(Input.a), b))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let (aScale, bScale) = (try context.tensor(Input.aScale), try context.tensor(Input.bScale))
    guard aScale.count == 1 else { throw CameoError.badInput("a_scale is \(aScale), one number was expected") }
    let a = try DequantizeLinear.compute(try context.tensor(Input.a), aScale, nil, type: .float, axis: 0)
    let given = try context.tensor(Input.b)
    let isTransposed = try context.attributes.bool("transB") && given.rank > 1
    guard bScale.count == 1 || given.rank > 1 else {
      throw CameoError.badInput("b_scale is \(bScale), one number was expected")
    }
    var b = try DequantizeLinear.compute(
      given, bScale, nil, type: .float, axis: max(0, given.rank - (isTransposed ? 2 : 1)))
    if isTransposed {
      b = try LastChannels.transpose(b, Array(0..<b.rank - 2) + [b.rank - 1, b.rank - 2])
    }
    let product = try MatrixProduct.compute(a, b, as: .float, Float.self, inDouble: context.accumulatesInDouble)
    return [
      .tensor(
        try FusedProduct.finish(
          context, product,
          adding: [try context.optionalTensor(Input.bias), try context.optionalTensor(Input.residual)],
          as: aScale.dataType))
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Float8MatMul(), to: $0) })
