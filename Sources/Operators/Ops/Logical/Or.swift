/// Or: logical or of two bool tensors, broadcast to each other.
private let or = LogicalOperator("Or") { $0 || $1 }

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(or, to: $0) })
