import GraphIR
import Tensors

/// com.microsoft.SkipLayerNormalization(input, skip, gamma, beta?, bias?): layer normalization of input + skip + bias over the
/// last axis; the mean, the inverse deviation and the sum are optional outputs. skip may lack the batch axis or have it as 1.
struct MicrosoftSkipLayerNormalization: ComposedOperator {
  let name = OperatorName("SkipLayerNormalization", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O SkipLayerNormalization 1 3 5 1 4
    a epsilon float=1e-12
    i input T
    i skip T
    i gamma T
    i? beta T
    i? bias T
    o output T
    o? mean U
    o? inv_std_var U
    o? input_skip_bias_sum T
    c T tensor(*):float,float16,bfloat16,double
    c U tensor(*):float
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    try SkipNormalization.compose(&c, isRMS: false, beta: c.input(3), bias: c.input(4))
  }

  func inferOpen(_ context: inout InferenceContext) { SkipNormalization.inferOpen(&context) }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftSkipLayerNormalization(), to: $0) })
