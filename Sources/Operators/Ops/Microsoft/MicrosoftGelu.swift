import GraphIR
import Tensors

/// com.microsoft.Gelu(X): x * Phi(x), exactly. The standard's Gelu.
struct MicrosoftGelu: ComposedOperator {
  let name = OperatorName("Gelu", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Gelu 1 1 1 1 1
    i X T
    o Y T
    c T tensor(*):float16,float,double,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] { [try c.gelu(try c.given(0, "X"))] }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGelu(), to: $0) })
