import Tensors

/// BitwiseAnd: a & b, bit by bit.
private let bitwiseAnd = BinaryOperator("BitwiseAnd", traits: [.commutative]) { _ in
  ElementFunctions(signed: { $0 & $1 }, unsigned: { $0 & $1 })
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(bitwiseAnd, to: $0) })
