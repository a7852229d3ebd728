/// HammingWindow: 25/46 - 21/46 cos(2 pi n / N).
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(CosineWindow("HammingWindow", [25.0 / 46, -21.0 / 46]), to: $0) }
)
