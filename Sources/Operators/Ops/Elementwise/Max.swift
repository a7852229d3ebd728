import Tensors

/// Max: the greatest of the inputs; NaN where one of them is NaN.
private let maximum = VariadicOperator(
  "Max", symbols: { Dim.max($0, $1) },
  ElementFunctions(
    float: { a, b in a.isNaN ? a : b.isNaN ? b : a > b ? a : b },
    double: { a, b in a.isNaN ? a : b.isNaN ? b : a > b ? a : b },
    signed: { max($0, $1) }, unsigned: { max($0, $1) }))

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(maximum, to: $0) })
