import GraphIR
import Tensors

/// com.microsoft.DynamicQuantizeMatMul: A quantized to uint8 over its whole range, times quantized B, as float, plus bias.
struct DynamicQuantizeMatMul: Operator {
  let name = OperatorName("DynamicQuantizeMatMul", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O DynamicQuantizeMatMul 1 3 5 1 1
    i A T1
    i B T2
    i b_scale T1
    i? b_zero_point T2
    i? bias T1
    o Y T1
    c T1 tensor(*):float
    c T2 tensor(*):int8,uint8
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    for input in [0, 2, 4] { try Quantized.require(context, input, [.float]) }
    try Quantized.require(context, 1, Quantized.eightBit)
    context.set(0, .float, try MatrixProduct.shape(context, context.shape(0), context.shape(1)))
  }

  func evaluate(_ context: EvaluationContext) throws -> [Value?] {
    let a = try context.tensor(0)
    guard a.dataType == .float else { throw CameoError.badInput("input 0 is \(a.dataType), float was expected") }
    let b = try Quantized.tensor(context, 1)
    let (codes, scale, zero) = try QuantizedLinear.dynamic(a)
    let sums = try WholeProduct.matmul(
      WholeNumbers.centered(codes, .scalar(Int64(zero), .uint8), axis: 0),
      WholeNumbers.centered(b, context.optionalTensor(3), axis: max(0, b.rank - 1)))
    return [
      .tensor(
        try ScaledProduct.finish(
          sums, .scalar(scale, .float), context.tensor(2), bias: context.optionalTensor(4)))
    ]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(DynamicQuantizeMatMul(), to: $0) })
