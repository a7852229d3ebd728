/// ArgMax: the place of the greatest element along an axis.
private let argMax = ArgOperator("ArgMax", greatest: true)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(argMax, to: $0) })
