import GraphIR
import Tensors

/// com.microsoft.BiasGelu(A, B): Gelu(A + B), B a row of the last axis.
struct MicrosoftBiasGelu: ComposedOperator {
  let name = OperatorName("BiasGelu", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O BiasGelu 1 2 2 1 1
    i A T
    i B T
    o C T
    c T tensor(*):float16,float,double,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let a = try c.given(0, "A")
    let b = try c.given(1, "B")
    if let rank = c.facts(b).shape?.count, rank != 1 {
      throw CameoError.badInput("B has rank \(rank), 1 was expected")
    }
    let sum = try c.add(try c.wide(a), try c.wide(b))
    return [try c.cast(try c.gelu(sum), try c.type(a))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftBiasGelu(), to: $0) })
