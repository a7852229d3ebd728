/// GreaterOrEqual: element-wise comparison.
private let greaterOrEqual = ComparisonOperator("GreaterOrEqual", .greaterOrEqual)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(greaterOrEqual, to: $0) })
