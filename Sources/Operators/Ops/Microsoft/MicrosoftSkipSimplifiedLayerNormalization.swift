import GraphIR
import Tensors

/// com.microsoft.SkipSimplifiedLayerNormalization(input, skip, gamma, bias?): input + skip + bias over its root mean square
/// along the last axis, times gamma; the inverse root mean square and the sum are optional outputs.
struct MicrosoftSkipSimplifiedLayerNormalization: ComposedOperator {
  let name = OperatorName("SkipSimplifiedLayerNormalization", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O SkipSimplifiedLayerNormalization 1 3 4 1 4
    a epsilon float=1e-12
    i input T
    i skip T
    i gamma T
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
    try SkipNormalization.compose(&c, isRMS: true, beta: nil, bias: c.input(3))
  }

  func inferOpen(_ context: inout InferenceContext) { SkipNormalization.inferOpen(&context) }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(MicrosoftSkipSimplifiedLayerNormalization(), to: $0) }
)
