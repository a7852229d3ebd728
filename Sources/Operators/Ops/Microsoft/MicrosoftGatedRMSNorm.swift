import GraphIR
import Tensors

/// com.microsoft.GatedRMSNorm(X, scale, gate): X over the root mean square of each group of scale's length, times scale, times
/// silu or sigmoid of gate. Computed in float.
struct MicrosoftGatedRMSNorm: ComposedOperator {
  let name = OperatorName("GatedRMSNorm", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O GatedRMSNorm 1 3 3 1 1
    a activation string=silu
    a epsilon float=1e-05
    i X T
    i scale T
    i gate T
    o Y T
    c T tensor(*):float,float16,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let scale = try c.given(1, "scale")
    let gate = try c.wide(try c.given(2, "gate"))
    try c.require(scale, ranks: 1...1, "scale")
    let rank = try c.rank(x)
    guard rank > 0 else { throw CameoError.badInput("X is a scalar") }
    let group = try c.number(try c.shape(scale)[0], "the length of scale")
    guard group > 0 else { throw CameoError.badInput("scale is empty") }
    if let width = try c.shape(x)[rank - 1].value, width % group != 0 {
      throw CameoError.badInput("the last dimension of X, \(width), is no multiple of scale's length \(group)")
    }
    let wide = try c.wide(x)
    let rows = try c.reshape(wide, [Int](repeating: 0, count: rank - 1) + [-1, group])
    let normal = try c.node(
      "RMSNormalization", [rows, try c.wide(scale)],
      [NamedAttribute("axis", .int(-1)), NamedAttribute("epsilon", .float(try c.attributes.float("epsilon")))])
    let flat = try c.reshape(normal, [Int](repeating: 0, count: rank - 1) + [-1])
    let name = try c.attributes.string("activation")
    let factor: C.Ref
    switch name {
    case "silu", "swish": factor = try c.swish(gate)
    case "sigmoid": factor = try c.node("Sigmoid", [gate])
    default: throw CameoError.badInput("attribute activation is \(name), silu, swish or sigmoid was expected")
    }
    return [try c.cast(try c.mul(flat, factor), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGatedRMSNorm(), to: $0) })
