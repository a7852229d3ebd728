import GraphIR
import Tensors

/// com.microsoft.Irfft(X): the real signal of the last axis whose one-sided spectrum is X [.., n / 2 + 1, 2]; n even. Only `signal_ndim` 1,
/// `onesided` 1 and `normalized` 0 are defined.
struct MicrosoftIrfft: ComposedOperator {
  let name = OperatorName("Irfft", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Irfft 1 1 1 1 1
    a normalized int=0
    a onesided int=1
    a signal_ndim int!
    i X T
    o Y T
    c T tensor(*):float,double,float16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    try MicrosoftRfft.check(c.attributes)
    let x = try c.given(0, "X")
    let rank = try c.rank(x)
    guard rank >= 2 else { throw CameoError.badInput("X has rank \(rank), 2 or more was expected") }
    let y = try c.node(
      "DFT", [try c.wide(x), nil, try c.scalar(Double(rank - 2), .int64)],
      [NamedAttribute("inverse", .int(1)), NamedAttribute("onesided", .int(1))])
    return [try c.cast(try c.squeeze(y, [rank - 1]), try c.type(x))]
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftIrfft(), to: $0) })
