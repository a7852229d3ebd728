import GraphIR
import Tensors

/// com.microsoft.Range(start, limit, delta?): Range with a step of 1 unless delta is given.
struct MicrosoftRange: ComposedOperator {
  let name = OperatorName("Range", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Range 1 2 3 1 1
    i start T
    i limit T
    i? delta T
    o Y T
    c T tensor(*):float,double,int16,int32,int64
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let start = try c.given(0, "start")
    let step = try c.input(2) ?? c.scalar(1, try c.type(start))
    var scalars: [C.Ref] = []
    for part in [start, try c.given(1, "limit"), step] {
      // One element in any shape.
      scalars.append(c.facts(part).shape?.isEmpty == true ? part : try c.node("Reshape", [part, try c.ints([])]))
    }
    return [try c.node("Range", scalars)]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftRange(), to: $0) })
