/// Less: element-wise comparison.
private let less = ComparisonOperator("Less", .less)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(less, to: $0) })
