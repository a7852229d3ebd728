import Tensors

/// Sum: the sum of the inputs, added from the first on.
private let sum = VariadicOperator(
  "Sum", symbols: { $0 + $1 },
  ElementFunctions(float: { $0 + $1 }, double: { $0 + $1 }, signed: { $0 &+ $1 }, unsigned: { $0 &+ $1 }))

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(sum, to: $0) })
