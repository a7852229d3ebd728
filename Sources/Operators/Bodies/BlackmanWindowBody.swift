import GraphIR
import Tensors

/// BlackmanWindow: 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N).
private let body = FunctionBody("BlackmanWindow") { call in
  try call.writeCosineWindow([0.42, -0.5, 0.08])
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
