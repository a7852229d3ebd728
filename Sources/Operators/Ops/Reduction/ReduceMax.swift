/// ReduceMax: the greatest element over axes.
private let reduceMax = ReduceOperator("ReduceMax", .max)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceMax, to: $0) })
