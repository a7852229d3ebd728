import GraphIR
import Tensors

/// com.microsoft.ScaledSiLU(X, scale?): z * sigmoid(z) with z = scale * X; each of z, the sigmoid and the product is rounded to
/// X's type. `alpha` is the scale where the input is left out.
struct MicrosoftScaledSiLU: ComposedOperator {
  let name = OperatorName("ScaledSiLU", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O ScaledSiLU 1 1 2 1 1
    a alpha float=1
    i X T
    i? scale M
    o Y T
    c T tensor(*):float,float16,bfloat16
    c M tensor(*):float,float16,bfloat16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let type = try c.type(x)
    var scale = try c.scalar(Double(try c.attributes.float("alpha")))
    if let given = c.input(1) {
      if let shape = c.facts(given).shape, shape.contains(where: { $0.isKnown && $0 != 1 }) {
        throw CameoError.badInput("scale must be one number, its shape is \(shape)")
      }
      scale = try c.node("Reshape", [try c.wide(given), try c.ints([])])
    }
    let z = try c.cast(try c.mul(try c.wide(x), scale), type)
    return [try c.mul(z, try c.node("Sigmoid", [z]))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftScaledSiLU(), to: $0) })
