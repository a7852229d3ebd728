/// Reciprocal: 1 / x.
private let reciprocalOperator = UnaryOperator("Reciprocal", float: { _ in { 1 / $0 } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reciprocalOperator, to: $0) })
