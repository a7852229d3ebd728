import GraphIR
import Tensors

/// com.microsoft.BiasDropout(data, bias, residual?, ratio?, training_mode?): Dropout(data + bias) + residual. Random where it
/// trains.
struct MicrosoftBiasDropout: ComposedOperator {
  let name = OperatorName("BiasDropout", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O BiasDropout 1 2 5 1 2
    a seed int
    i data T
    i bias T
    i? residual T
    i? ratio T1
    i? training_mode T2
    o output T
    o? mask T2
    c T tensor(*):float16,float,double,bfloat16
    c T1 tensor(*):float16,float,double,bfloat16
    c T2 tensor(*):bool
    """
  }

  let traits: OperatorTraits = .random

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let data = try c.given(0, "data")
    let sum = try c.add(try c.wide(data), try c.wide(try c.given(1, "bias")))
    let seed = c.node.attributes.filter { $0.name == "seed" }
    let dropped = try c.nodes(OperatorName("Dropout"), [sum, c.input(3), c.input(4)], seed, outputs: 2)
    var y = dropped[0]
    if let residual = c.input(2) { y = try c.add(y, try c.wide(residual)) }
    return [try c.cast(y, try c.type(data)), dropped[1]]
  }

  func inferOpen(_ context: inout InferenceContext) {
    context.set(0, context.dataType(0), context.shape(0))
    context.set(1, .bool, context.shape(0))
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftBiasDropout(), to: $0) })
