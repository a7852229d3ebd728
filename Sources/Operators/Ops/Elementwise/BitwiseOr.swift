import Tensors

/// BitwiseOr: a | b, bit by bit.
private let bitwiseOr = BinaryOperator("BitwiseOr", traits: [.commutative]) { _ in
  ElementFunctions(signed: { $0 | $1 }, unsigned: { $0 | $1 })
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(bitwiseOr, to: $0) })
