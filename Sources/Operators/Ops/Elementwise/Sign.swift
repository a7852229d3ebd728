/// Sign: -1, 0 or 1; NaN stays.
private let sign = UnaryOperator(
  "Sign", float: { _ in { $0 > 0 ? 1 : $0 < 0 ? -1 : $0 } }, integer: { _ in { $0 > 0 ? 1 : $0 < 0 ? -1 : 0 } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(sign, to: $0) })
