import GraphIR
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

private let signature: StaticString = """
  D com.microsoft 1
  O QLinearSigmoid 1 4 5 1 1
  i X T
  i X_scale tensor(float)
  i? X_zero_point T
  i Y_scale tensor(float)
  i? Y_zero_point T
  o Y T
  c T tensor(*):uint8,int8
  """

// com.microsoft.QLinearSigmoid: 1 / (1 + exp(-x)) of the dequantized number, quantized.
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0,
  {
    OperatorRegistry.submit(
      QuantizedLookup("QLinearSigmoid", signature: signature) { _ in { Float(1 / (1 + exp(-Double($0)))) } }, to: $0)
  }
)
