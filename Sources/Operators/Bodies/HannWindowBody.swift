import GraphIR
import Tensors

/// HannWindow: 1/2 - 1/2 cos(2 pi n / N).
private let body = FunctionBody("HannWindow") { call in
  try call.writeCosineWindow([0.5, -0.5])
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
