import GraphIR
import Tensors

/// com.microsoft.Trilu(X, k?): the standard's Trilu.
struct MicrosoftTrilu: ComposedOperator {
  let name = OperatorName("Trilu", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Trilu 1 1 2 1 1
    a upper int=1
    i X T
    i? k tensor(int64)
    o Y T
    c T tensor(*):float16,float,double,bfloat16,uint8,uint16,uint32,uint64,int8,int16,int32,int64,bool
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    [try c.node("Trilu", [try c.given(0, "X"), c.input(1)], c.node.attributes)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftTrilu(), to: $0) })
