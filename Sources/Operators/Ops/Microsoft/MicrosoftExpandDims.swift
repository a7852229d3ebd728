import GraphIR
import Tensors

/// com.microsoft.ExpandDims(X, axis): a new axis of length 1 at `axis`.
struct MicrosoftExpandDims: ComposedOperator {
  let name = OperatorName("ExpandDims", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O ExpandDims 1 2 2 1 1
    i X T
    i axis tensor(int32)
    o Y T
    c T tensor(*):uint8,uint16,uint32,uint64,int8,int16,int32,int64,float16,float,double,string,bool,complex64,complex128,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let axis = try c.reshape(try c.cast(try c.given(1, "axis"), .int64), [1])
    return [try c.node("Unsqueeze", [try c.given(0, "X"), axis])]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftExpandDims(), to: $0) })
