/// ReduceLogSumExp: the logarithm of the sum of exponentials over axes.
private let reduceLogSumExp = ReduceOperator("ReduceLogSumExp", .logSumExp)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceLogSumExp, to: $0) })
