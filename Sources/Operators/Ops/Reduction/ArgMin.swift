/// ArgMin: the place of the least element along an axis.
private let argMin = ArgOperator("ArgMin", greatest: false)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(argMin, to: $0) })
