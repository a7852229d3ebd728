import GraphIR
import Tensors

/// com.microsoft.BiasSplitGelu(X, bias): the left half of X + bias times Gelu of its right half.
struct MicrosoftBiasSplitGelu: ComposedOperator {
  let name = OperatorName("BiasSplitGelu", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O BiasSplitGelu 1 2 2 1 1
    i X T
    i bias T
    o Y T
    c T tensor(*):float16,float
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let rank = try c.rank(x)
    guard rank > 0 else { throw CameoError.badInput("X is a scalar") }
    let width = try c.number(try c.shape(x)[rank - 1], "the last dimension of X")
    guard width % 2 == 0 else { throw CameoError.badInput("the last dimension of X, \(width), is odd") }
    let sum = try c.add(try c.wide(x), try c.wide(try c.given(1, "bias")))
    let halves = try c.split(sum, [width / 2, width / 2], axis: rank - 1)
    return [try c.cast(try c.mul(halves[0], try c.gelu(halves[1])), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftBiasSplitGelu(), to: $0) })
