/// ReduceSum: the sum over axes.
private let reduceSum = ReduceOperator("ReduceSum", .sum, axesInputVersion: 13)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceSum, to: $0) })
