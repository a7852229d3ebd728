import GraphIR
import Tensors

/// com.microsoft.IsAllFinite(inputs..): whether no element of any input is infinite or NaN, or of one kind alone.
struct MicrosoftIsAllFinite: ComposedOperator {
  let name = OperatorName("IsAllFinite", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O IsAllFinite 1 1 * 1 1
    a isinf_only int=0
    a isnan_only int=0
    i*1 input V
    o output T
    c V tensor(*):float16,float,double,bfloat16
    c T tensor(*):bool
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let (infinite, nan) = (try c.attributes.bool("isinf_only"), try c.attributes.bool("isnan_only"))
    guard !(infinite && nan) else { throw CameoError.badInput("isinf_only and isnan_only are both set") }
    var found: C.Ref?
    for index in c.node.inputs.indices {
      let x = try c.given(index, "input")
      for test in ["IsInf", "IsNaN"] where test == "IsInf" ? !nan : !infinite {
        let flags = try c.cast(try c.node(test, [x]), .int32)
        let any = try c.node("ReduceMax", [flags], [NamedAttribute("keepdims", .int(0))])
        found = try found.map { try c.node("Max", [$0, any]) } ?? any
      }
    }
    guard let found else { throw CameoError.badInput("no input is given") }
    return [try c.node("Equal", [found, try c.scalar(0, .int32)])]
  }

  func inferOpen(_ context: inout InferenceContext) { context.set(0, .bool, []) }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftIsAllFinite(), to: $0) })
