import GraphIR
import Tensors

/// com.microsoft.Rfft(X): the one-sided spectrum [.., n / 2 + 1, 2] of the real signals in the last axis. Only `signal_ndim` 1,
/// `onesided` 1 and `normalized` 0 are defined.
struct MicrosoftRfft: ComposedOperator {
  let name = OperatorName("Rfft", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O Rfft 1 1 1 1 1
    a normalized int=0
    a onesided int=1
    a signal_ndim int=1
    i X T
    o Y T
    c T tensor(*):float,double,float16
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    try MicrosoftRfft.check(c.attributes)
    let x = try c.given(0, "X")
    let rank = try c.rank(x)
    guard rank >= 1 else { throw CameoError.badInput("X is a scalar") }
    let signal = try c.unsqueeze(try c.wide(x), [rank])
    let y = try c.node(
      "DFT", [signal, nil, try c.scalar(Double(rank - 1), .int64)], [NamedAttribute("onesided", .int(1))])
    return [try c.cast(y, try c.type(x))]
  }

  /// Throws where the attributes ask for what is not defined.
  static func check(_ attributes: AttributeReader) throws {
    for (name, value) in [("normalized", 0), ("onesided", 1), ("signal_ndim", 1)] {
      let given = try attributes.int(name)
      guard given == value else { throw CameoError.unsupported("attribute \(name) is \(given), \(value) was expected") }
    }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftRfft(), to: $0) })
