/// InstanceNormalization: GroupNormalization with a group a channel.
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(GroupNormalization(isInstance: true), to: $0) }
)
