/// Equal: element-wise comparison; strings and bools too.
private let equal = ComparisonOperator("Equal", .equal)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(equal, to: $0) })
