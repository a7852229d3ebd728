import Tensors

/// BitwiseXor: a ^ b, bit by bit.
private let bitwiseXor = BinaryOperator("BitwiseXor", traits: [.commutative]) { _ in
  ElementFunctions(signed: { $0 ^ $1 }, unsigned: { $0 ^ $1 })
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(bitwiseXor, to: $0) })
