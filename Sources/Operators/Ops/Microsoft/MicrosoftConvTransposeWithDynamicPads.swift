import GraphIR
import Tensors

/// com.microsoft.ConvTransposeWithDynamicPads(X, W, Pads?, B?): ConvTranspose whose pads are an input.
struct MicrosoftConvTransposeWithDynamicPads: ComposedOperator {
  let name = OperatorName("ConvTransposeWithDynamicPads", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O ConvTransposeWithDynamicPads 1 2 4 1 1
    a auto_pad string=NOTSET
    a dilations ints
    a group int=1
    a kernel_shape ints
    a output_padding ints
    a strides ints
    i X T
    i W T
    i? Pads tensor(int64)
    i? B T
    o Y T
    c T tensor(*):float16,float,double
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    var attributes = c.node.attributes
    if let pads = c.input(2) {
      guard let known = c.facts(pads).tensor else { throw Undecided("Pads is not known") }
      attributes.append(NamedAttribute("pads", .ints(try known.ints().map(Int64.init))))
    }
    return [try c.node("ConvTranspose", [try c.given(0, "X"), try c.given(1, "W"), c.input(3)], attributes)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(MicrosoftConvTransposeWithDynamicPads(), to: $0) }
)
