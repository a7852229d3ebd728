import GraphIR
import Tensors

/// com.microsoft.BiasAdd(X, bias, skip): X + bias + skip, bias a row of channels.
struct MicrosoftBiasAdd: ComposedOperator {
  let name = OperatorName("BiasAdd", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O BiasAdd 1 3 3 1 1
    i X T
    i bias T
    i skip T
    o Y T
    c T tensor(*):float16,float
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let sum = try c.add(try c.wide(x), try c.wide(try c.given(1, "bias")))
    return [try c.cast(try c.add(sum, try c.wide(try c.given(2, "skip"))), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftBiasAdd(), to: $0) })
