/// IsNaN: whether x is not a number.
private let isNaN = UnaryOperator("IsNaN", output: .bool, float: { _ in { $0.isNaN ? 1 : 0 } })

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(isNaN, to: $0) })
