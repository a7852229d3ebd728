import GraphIR
import Tensors

/// com.microsoft.GroupNorm(X, gamma, beta): group normalization of `groups` groups of channels, channels last unless
/// `channels_last` is 0; `activation` 1 multiplies by the sigmoid (SiLU).
struct MicrosoftGroupNorm: ComposedOperator {
  let name = OperatorName("GroupNorm", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O GroupNorm 1 3 3 1 1
    a activation int!
    a channels_last int=1
    a epsilon float=1e-05
    a groups int!
    i X T
    i gamma M
    i beta M
    o Y T
    c T tensor(*):float16,float
    c M tensor(*):float16,float
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    try GroupNormal.compose(&c, skip: nil, bias: nil)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGroupNorm(), to: $0) })
