import GraphIR
import Tensors

/// com.microsoft.QuickGelu(X): x * sigmoid(alpha * x).
struct MicrosoftQuickGelu: ComposedOperator {
  let name = OperatorName("QuickGelu", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O QuickGelu 1 1 1 1 1
    a alpha float=1.702
    i X T
    o Y T
    c T tensor(*):float16,float,double,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let alpha = try c.attributes.float("alpha")
    if c.mayEmit(opset: 24) { return [try c.swish(x, alpha: alpha)] }
    return [try c.cast(try c.swish(try c.wide(x), alpha: alpha), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftQuickGelu(), to: $0) })
