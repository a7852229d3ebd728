import GraphIR
import Tensors

/// com.microsoft.GemmFastGelu(X, W, bias?): Gelu of X W + bias by the tanh formula.
struct MicrosoftGemmFastGelu: ComposedOperator {
  let name = OperatorName("GemmFastGelu", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O GemmFastGelu 1 2 3 1 1
    i X T
    i W T
    i? bias T
    o Y T
    c T tensor(*):float,float16,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    var product = try c.node("MatMul", [try c.wide(x), try c.wide(try c.given(1, "W"))])
    if let bias = c.input(2) { product = try c.add(product, try c.wide(bias)) }
    return [try c.cast(try c.gelu(product, tanh: true), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGemmFastGelu(), to: $0) })
