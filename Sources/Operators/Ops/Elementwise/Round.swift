/// Round: the nearest integer, halves to even.
private let roundOperator = UnaryOperator("Round", float: { _ in { $0.rounded(.toNearestOrEven) } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(roundOperator, to: $0) })
