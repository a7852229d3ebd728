import GraphIR
import Tensors

/// com.microsoft.Pad(data, pads, value?): Pad, with pads also as [1, 2 * rank] and value also as [1].
struct MicrosoftPad: ComposedOperator {
  let name = OperatorName("Pad", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Pad 1 2 3 1 1
    a mode string=constant
    i data T
    i pads tensor(int64)
    i? value T
    o output T
    c T tensor(*):float16,float,double
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let pads = try c.reshape(try c.given(1, "pads"), [-1])
    let value = try c.input(2).map { try c.node("Reshape", [$0, try c.ints([])]) }
    return [try c.node("Pad", [try c.given(0, "data"), pads, value], c.node.attributes)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftPad(), to: $0) })
