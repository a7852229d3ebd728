/// HannWindow: 1/2 - 1/2 cos(2 pi n / N).
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(CosineWindow("HannWindow", [0.5, -0.5]), to: $0) }
)
