import GraphIR
import Tensors

private let signature: StaticString = """
  D com.microsoft 1
  O QLinearLeakyRelu 1 4 5 1 1
  a alpha float=0.01
  i X T
  i X_scale tensor(float)
  i? X_zero_point T
  i Y_scale tensor(float)
  i? Y_zero_point T
  o Y T
  c T tensor(*):uint8,int8
  """

// com.microsoft.QLinearLeakyRelu: x, or alpha * x below 0, of the dequantized number, quantized.
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0,
  {
    OperatorRegistry.submit(
      QuantizedLookup("QLinearLeakyRelu", signature: signature) { attributes in
        let alpha = try attributes.float("alpha", default: 0.01)
        return { $0 >= 0 ? $0 : alpha * $0 }
      }, to: $0)
  }
)
