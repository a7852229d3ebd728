/// ReduceL1: the sum of magnitudes over axes.
private let reduceL1 = ReduceOperator("ReduceL1", .l1)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceL1, to: $0) })
