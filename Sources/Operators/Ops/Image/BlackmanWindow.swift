/// BlackmanWindow: 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N).
@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(CosineWindow("BlackmanWindow", [0.42, -0.5, 0.08]), to: $0) }
)
