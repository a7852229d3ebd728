import GraphIR
import Tensors

/// com.microsoft.ReduceSumInteger(data): sums of 8-bit integers along `axes` in 32 bits.
struct MicrosoftReduceSumInteger: ComposedOperator {
  let name = OperatorName("ReduceSumInteger", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O ReduceSumInteger 1 1 1 1 1
    a axes ints!
    a keepdims int!
    i data T1
    o reduced T2
    c T1 tensor(*):int8,uint8
    c T2 tensor(*):int32,uint32
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let data = try c.given(0, "data")
    let type = try c.type(data)
    let wide = try c.cast(data, type == .uint8 || type == .uint32 ? .uint32 : .int32)
    let axes = try c.ints(try c.attributes.ints("axes"))
    let keeps = try c.attributes.int("keepdims", default: 1)
    return [try c.node("ReduceSum", [wide, axes], [NamedAttribute("keepdims", .int(Int64(keeps)))])]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftReduceSumInteger(), to: $0) })
