import GraphIR
import Tensors

/// com.microsoft.FusedConv(X, W, B?, Z?): activation(Conv(X, W, B) + Z), channels first. `activation_params` are the activation's
/// attributes in their order: alpha, beta; a Clip's bounds.
struct MicrosoftFusedConv: ComposedOperator {
  let name = OperatorName("FusedConv", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O FusedConv 1 2 4 1 1
    a activation string
    a activation_params floats
    a auto_pad string=NOTSET
    a dilations ints
    a group int=1
    a kernel_shape ints
    a pads ints
    a strides ints
    i X T
    i W T
    i? B T
    i? Z T
    o Y T
    c T tensor(*):float16,float,double,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    return [try c.cast(try FusedProducts.conv(&c, try c.wide(x), addend: try c.widened(c.input(3))), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftFusedConv(), to: $0) })
