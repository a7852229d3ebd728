import GraphIR
import Tensors

/// com.microsoft.Unique(x): the different elements in order of their first appearance, each element's index among them, and how
/// often each appears. x has rank 1.
struct MicrosoftUnique: ComposedOperator {
  let name = OperatorName("Unique", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Unique 1 1 1 3 3
    i x T
    o y T
    o idx tensor(int64)
    o counts tensor(int64)
    c T tensor(*):uint8,uint16,uint32,uint64,int8,int16,int32,int64,float16,float,double,string,bool,complex64,complex128
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "x")
    try c.require(x, ranks: 1...1, "x")
    let all = try c.nodes(OperatorName("Unique"), [x], [NamedAttribute("sorted", .int(0))], outputs: 4)
    return [all[0], all[2], all[3]]
  }

  func inferOpen(_ context: inout InferenceContext) {
    context.set(0, context.dataType(0), nil)
    context.set(1, .int64, context.shape(0))
    context.set(2, .int64, nil)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftUnique(), to: $0) })
