/// ReduceL2: the root of the sum of squares over axes.
private let reduceL2 = ReduceOperator("ReduceL2", .l2)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceL2, to: $0) })
