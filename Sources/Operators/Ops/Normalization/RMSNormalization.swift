/// RMSNormalization: divides by the root mean square; see `LayerNormalization`.
@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(LayerNormalization(isRMS: true), to: $0) })
