/// ReduceLogSum: the logarithm of the sum over axes.
private let reduceLogSum = ReduceOperator("ReduceLogSum", .logSum)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceLogSum, to: $0) })
