import GraphIR
import Tensors

/// com.microsoft.TransposeMatMul(A, B): FusedMatMul under its older name, without exchanged batch axes.
struct MicrosoftTransposeMatMul: ComposedOperator {
  let name = OperatorName("TransposeMatMul", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O TransposeMatMul 1 2 2 1 1
    a alpha float=1
    a transA int=0
    a transB int=0
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
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftTransposeMatMul(), to: $0) })
