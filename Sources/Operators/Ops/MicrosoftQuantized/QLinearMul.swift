import GraphIR
import Tensors

private let signature: StaticString = """
  D com.microsoft 1
  O QLinearMul 1 7 8 1 1
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

// com.microsoft.QLinearMul: the product of two quantized tensors, quantized: round((A - zA)(B - zB) sA sB / sC + zC), the integer
// product exact, the rest in float.
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(QuantizedBinary("QLinearMul", .mul, signature: signature), to: $0) }
)
