/// CumSum: the running sum along an axis.
private let cumSum = CumulativeOperator("CumSum", multiplies: false)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(cumSum, to: $0) })
