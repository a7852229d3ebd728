import Tensors

/// Div: a / b. Integers are divided towards zero; an integer divided by zero is 0 (the standard leaves it open).
private let div = BinaryOperator("Div", symbols: { _, a, b in SymbolicContents.divide(a, b) }) { _ in
  ElementFunctions(
    float: { $0 / $1 }, double: { $0 / $1 },
    signed: { a, b in b == 0 ? 0 : b == -1 ? 0 &- a : a / b }, unsigned: { a, b in b == 0 ? 0 : a / b })
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(div, to: $0) })
