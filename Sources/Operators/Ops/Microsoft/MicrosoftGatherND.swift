import GraphIR
import Tensors

/// com.microsoft.GatherND(data, indices): the standard's GatherND, with int32 indices too.
struct MicrosoftGatherND: ComposedOperator {
  let name = OperatorName("GatherND", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O GatherND 1 2 2 1 1
    i data T
    i indices Tind
    o output T
    c T tensor(*):uint8,uint16,uint32,uint64,int8,int16,int32,int64,float16,float,double,string,bool,complex64,complex128,bfloat16
    c Tind tensor(*):int32,int64
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    [try c.node("GatherND", [try c.given(0, "data"), try c.cast(try c.given(1, "indices"), .int64)])]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGatherND(), to: $0) })
