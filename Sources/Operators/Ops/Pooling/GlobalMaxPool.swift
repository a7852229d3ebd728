/// GlobalMaxPool: the greatest of each channel.
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(GlobalPool("GlobalMaxPool", .maximum), to: $0) }
)
