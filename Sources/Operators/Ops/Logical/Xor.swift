/// Xor: logical xor of two bool tensors, broadcast to each other.
private let xor = LogicalOperator("Xor") { $0 != $1 }

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(xor, to: $0) })
