/// GlobalLpPool: the p-norm of each channel.
@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(GlobalPool("GlobalLpPool", .norm), to: $0) })
