/// LessOrEqual: element-wise comparison.
private let lessOrEqual = ComparisonOperator("LessOrEqual", .lessOrEqual)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(lessOrEqual, to: $0) })
