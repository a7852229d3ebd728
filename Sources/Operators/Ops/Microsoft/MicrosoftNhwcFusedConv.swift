import GraphIR
import Tensors

/// com.microsoft.NhwcFusedConv(X, W, B?, Z?): FusedConv with X, Z and the result channels last.
struct MicrosoftNhwcFusedConv: ComposedOperator {
  let name = OperatorName("NhwcFusedConv", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O NhwcFusedConv 1 2 4 1 1
    a activation string
    a activation_params floats
    a auto_pad string=NOTSET
    a dilations ints
    a group int=1
    a kernel_shape ints
    a pads ints
    a strides ints
    i X T
    i W T
    i? B T
    i? Z T
    o Y T
    c T tensor(*):float16,float
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let rank = try c.rank(x)
    guard rank > 2 else { throw CameoError.badInput("X has rank \(rank), 3 or more was expected") }
    let wide = try ChannelsLast.toFirst(&c, try c.wide(x), rank: rank)
    let addend: C.Ref? = try c.input(3).map { try ChannelsLast.toFirst(&c, try c.wide($0), rank: rank) }
    let y = try FusedProducts.conv(&c, wide, addend: addend)
    return [try c.cast(try ChannelsLast.fromFirst(&c, y, rank: rank), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftNhwcFusedConv(), to: $0) })
