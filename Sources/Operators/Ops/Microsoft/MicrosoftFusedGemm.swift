import GraphIR
import Tensors

/// com.microsoft.FusedGemm(A, B, C?): Gemm and then the `activation`, with `activation_alpha`, `_beta` and `_gamma` as its
/// attributes.
struct MicrosoftFusedGemm: ComposedOperator {
  let name = OperatorName("FusedGemm", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O FusedGemm 1 2 3 1 1
    a activation string
    a activation_alpha float
    a activation_beta float
    a activation_gamma float
    a alpha float=1
    a beta float=1
    a transA int=0
    a transB int=0
    i A T
    i B T
    i? C T
    o Y T
    c T tensor(*):float16,float,double,uint32,uint64,int32,int64
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let a = try c.given(0, "A")
    let type = try c.type(a)
    let isWide = type.isFloatingPoint
    var inputs: [C.Ref?] = [isWide ? try c.wide(a) : a]
    let b = try c.given(1, "B")
    inputs.append(isWide ? try c.wide(b) : b)
    if let bias = c.input(2) { inputs.append(isWide ? try c.wide(bias) : bias) }
    let plain = c.node.attributes.filter { ["alpha", "beta", "transA", "transB"].contains($0.name) }
    let product = try c.node("Gemm", inputs, plain)
    return [try c.cast(try FusedProducts.activate(&c, product), type)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftFusedGemm(), to: $0) })
