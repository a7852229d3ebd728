import GraphIR
import Tensors

/// Celu: alpha * Elu(X / alpha).
private let body = FunctionBody("Celu") { call in
  try call.scalar("alpha", Double(call.attributes.float("alpha")))
  try call.write("scaled = Div (X, alpha)  bent = Elu (scaled)  Y = Mul (bent, alpha)")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
