import Tensors

/// Mean: the sum of the inputs divided by their number.
private let mean = VariadicOperator(
  "Mean", averages: true, ElementFunctions(float: { $0 + $1 }, double: { $0 + $1 }))

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(mean, to: $0) })
