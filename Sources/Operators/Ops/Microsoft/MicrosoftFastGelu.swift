import GraphIR
import Tensors

/// com.microsoft.FastGelu(X, bias?): Gelu(X + bias) by the tanh formula.
struct MicrosoftFastGelu: ComposedOperator {
  let name = OperatorName("FastGelu", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O FastGelu 1 1 2 1 1
    i X T
    i? bias T
    o Y T
    c T tensor(*):float,double,float16,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    guard let bias = c.input(1) else { return [try c.gelu(x, tanh: true)] }
    let sum = try c.add(try c.wide(x), try c.wide(bias))
    return [try c.cast(try c.gelu(sum, tanh: true), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftFastGelu(), to: $0) })
