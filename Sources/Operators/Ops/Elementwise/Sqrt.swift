/// Sqrt: the square root; NaN below 0.
private let sqrtOperator = UnaryOperator("Sqrt", float: { _ in { $0.squareRoot() } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(sqrtOperator, to: $0) })
