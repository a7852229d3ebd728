/// Hardmax: 1 at the first greatest element along the axis, 0 elsewhere.
@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(Softmax("Hardmax", .hard), to: $0) })
