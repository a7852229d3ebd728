import GraphIR
import Tensors

/// com.microsoft.NhwcConv(X, W, B?): Conv with X and the result channels last.
struct MicrosoftNhwcConv: ComposedOperator {
  let name = OperatorName("NhwcConv", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O NhwcConv 1 2 3 1 1
    a auto_pad string=NOTSET
    a dilations ints
    a group int=1
    a kernel_shape ints
    a pads ints
    a strides ints
    i X T
    i W T
    i? B T
    o Y T
    c T tensor(*):float16,float,double
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let x = try c.given(0, "X")
    let rank = try c.rank(x)
    guard rank > 2 else { throw CameoError.badInput("X has rank \(rank), 3 or more was expected") }
    let wide = try ChannelsLast.toFirst(&c, try c.wide(x), rank: rank)
    let addend: C.Ref? = nil
    let y = try FusedProducts.conv(&c, wide, addend: addend)
    return [try c.cast(try ChannelsLast.fromFirst(&c, y, rank: rank), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftNhwcConv(), to: $0) })
