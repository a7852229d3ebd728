import GraphIR
import Tensors

/// com.microsoft.FusedMatMulActivation(A, B): FusedMatMul and then the `activation`, with `activation_alpha`, `_beta`, `_gamma`
/// and `_axis` as its attributes.
struct MicrosoftFusedMatMulActivation: ComposedOperator {
  let name = OperatorName("FusedMatMulActivation", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O FusedMatMulActivation 1 2 2 1 1
    a activation string!
    a activation_alpha float
    a activation_axis int
    a activation_beta float
    a activation_gamma float
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
    let type = try c.type(try c.given(0, "A"))
    let product = try FusedProducts.matMul(&c, transA: "transA", transB: "transB", isWide: true)
    return [try c.cast(try FusedProducts.activate(&c, product), type)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftFusedMatMulActivation(), to: $0) })
