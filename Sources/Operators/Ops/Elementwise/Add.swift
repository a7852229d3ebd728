import Tensors

/// Add: a + b; integers wrap.
private let add = BinaryOperator("Add", traits: [.commutative], symbols: { _, a, b in a + b }) { _ in
  ElementFunctions(
    float: { $0 + $1 }, double: { $0 + $1 }, signed: { $0 &+ $1 }, unsigned: { $0 &+ $1 })
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(add, to: $0) })
