/// And: logical and of two bool tensors, broadcast to each other.
private let and = LogicalOperator("And") { $0 && $1 }

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(and, to: $0) })
