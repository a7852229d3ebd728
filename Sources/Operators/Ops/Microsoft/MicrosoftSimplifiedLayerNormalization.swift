import GraphIR
import Tensors

/// SimplifiedLayerNormalization(X, scale): RMSNormalization, and optionally the inverse root mean square. ONNX Runtime writes it
/// into the standard domain; com.microsoft has it too.
private let inStandard = SimplifiedLayerNormal(
  name: OperatorName("SimplifiedLayerNormalization"),
  signature: """
    D ai.onnx 1
    O SimplifiedLayerNormalization 1 2 2 1 2
    a axis int=-1
    a epsilon float=1e-05
    a stash_type int=1
    i X T
    i scale V
    o Y V
    o? inv_std_var U
    c T tensor(*):float16,float,double,bfloat16
    c U tensor(*):float,double
    c V tensor(*):float16,float,double,bfloat16
    """)

private let inMicrosoft = SimplifiedLayerNormal(
  name: OperatorName("SimplifiedLayerNormalization", domain: "com.microsoft"),
  signature: """
    D com.microsoft 1
    O SimplifiedLayerNormalization 1 2 2 1 2
    a axis int=-1
    a epsilon float=1e-05
    a stash_type int=1
    i X T
    i scale V
    o Y V
    o? inv_std_var U
    c T tensor(*):float16,float,double,bfloat16
    c U tensor(*):float,double
    c V tensor(*):float16,float,double,bfloat16
    """)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(inStandard, to: $0) })
@used @section("cameo_operators")
private let microsoftRegistration: RegistryRecord = (0, { OperatorRegistry.submit(inMicrosoft, to: $0) })
