/// Neg: -x; integers wrap.
private let neg = UnaryOperator("Neg", float: { _ in { -$0 } }, integer: { _ in { 0 &- $0 } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(neg, to: $0) })
