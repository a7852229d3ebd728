/// ReduceMean: the mean over axes.
private let reduceMean = ReduceOperator("ReduceMean", .mean)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceMean, to: $0) })
