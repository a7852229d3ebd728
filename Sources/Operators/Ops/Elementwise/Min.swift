import Tensors

/// Min: the least of the inputs; NaN where one of them is NaN.
private let minimum = VariadicOperator(
  "Min", symbols: { Dim.min($0, $1) },
  ElementFunctions(
    float: { a, b in a.isNaN ? a : b.isNaN ? b : a < b ? a : b },
    double: { a, b in a.isNaN ? a : b.isNaN ? b : a < b ? a : b },
    signed: { min($0, $1) }, unsigned: { min($0, $1) }))

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(minimum, to: $0) })
