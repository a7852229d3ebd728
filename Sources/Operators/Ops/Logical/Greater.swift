/// Greater: element-wise comparison.
private let greater = ComparisonOperator("Greater", .greater)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(greater, to: $0) })
