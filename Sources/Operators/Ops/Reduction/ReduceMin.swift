/// ReduceMin: the least element over axes.
private let reduceMin = ReduceOperator("ReduceMin", .min)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceMin, to: $0) })
