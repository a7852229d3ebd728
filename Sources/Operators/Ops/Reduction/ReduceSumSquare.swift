/// ReduceSumSquare: the sum of squares over axes.
private let reduceSumSquare = ReduceOperator("ReduceSumSquare", .sumSquare)

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(reduceSumSquare, to: $0) })
