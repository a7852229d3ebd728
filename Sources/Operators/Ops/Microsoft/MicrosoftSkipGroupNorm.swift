import GraphIR
import Tensors

/// com.microsoft.SkipGroupNorm(X, gamma, beta, skip, bias?): GroupNorm of X + skip + bias, and that sum. skip may lack the
/// spatial axes or have them as 1.
struct MicrosoftSkipGroupNorm: ComposedOperator {
  let name = OperatorName("SkipGroupNorm", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O SkipGroupNorm 1 4 5 1 2
    a activation int!
    a channels_last int=1
    a epsilon float=1e-05
    a groups int!
    i X T
    i gamma M
    i beta M
    i skip T
    i? bias T
    o Y T
    o? S T
    c T tensor(*):float16,float
    c M tensor(*):float16,float
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    try GroupNormal.compose(&c, skip: try c.given(3, "skip"), bias: c.input(4))
  }

  func inferOpen(_ context: inout InferenceContext) {
    for index in 0...1 { context.set(index, context.dataType(0), context.shape(0)) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftSkipGroupNorm(), to: $0) })
