import GraphIR
import Tensors

private let signature: StaticString = """
  D com.microsoft 1
  O QLinearAdd 1 7 8 1 1
  i A T
  i A_scale tensor(float)
  i? A_zero_point T
  i B T
  i B_scale tensor(float)
  i? B_zero_point T
  i C_scale tensor(float)
  i? C_zero_point T
  o C T
  c T tensor(*):uint8,int8
  """

// com.microsoft.QLinearAdd: the sum of two quantized tensors, quantized: round(A sA/sC + B sB/sC + (zC - zA sA/sC - zB sB/sC)) in
// float with fused products, B's first, as ONNX Runtime's AVX2 kernel adds.
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(QuantizedBinary("QLinearAdd", .add, signature: signature), to: $0) }
)
