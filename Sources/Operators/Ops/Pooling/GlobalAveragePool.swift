/// GlobalAveragePool: the mean of each channel.
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(GlobalPool("GlobalAveragePool", .average), to: $0) }
)
