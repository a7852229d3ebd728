import GraphIR
import Tensors

/// com.microsoft.GatedAdd(X, Y, gate): X + Y * gate, the product rounded to the tensors' type; gate [.., 1].
struct MicrosoftGatedAdd: ComposedOperator {
  let name = OperatorName("GatedAdd", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O GatedAdd 1 3 3 1 1
    i X T
    i Y T
    i gate T
    o output T
    c T tensor(*):float,float16,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let gate = try c.given(2, "gate")
    if let last = c.facts(gate).shape?.last { try c.requireEqual(last, 1, "the last dimension of gate") }
    return [try c.add(try c.given(0, "X"), try c.mul(try c.given(1, "Y"), gate))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGatedAdd(), to: $0) })
