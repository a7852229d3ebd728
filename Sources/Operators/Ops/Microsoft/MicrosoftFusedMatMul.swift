import GraphIR
import Tensors

/// com.microsoft.FusedMatMul(A, B): alpha * A' B'. `transA` and `transB` exchange the last two axes; `transBatchA` and
/// `transBatchB` move the first axis in front of the last one before.
struct MicrosoftFusedMatMul: ComposedOperator {
  let name = OperatorName("FusedMatMul", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O FusedMatMul 1 2 2 1 1
    a alpha float=1
    a transA int=0
    a transB int=0
    a transBatchA int=0
    a transBatchB int=0
    i A T
    i B T
    o Y T
    c T tensor(*):float16,float,double,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    [try FusedProducts.matMul(&c, transA: "transA", transB: "transB")]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftFusedMatMul(), to: $0) })
