import GraphIR
import Tensors

/// HammingWindow: 25/46 - 21/46 cos(2 pi n / N).
private let body = FunctionBody("HammingWindow") { call in
  try call.writeCosineWindow([25.0 / 46, -21.0 / 46])
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
