import GraphIR
import Tensors

/// Selu: gamma * Elu(X).
private let body = FunctionBody("Selu") { call in
  try call.scalar("gamma", Double(call.attributes.float("gamma")))
  let alpha = try call.attributes.float("alpha")
  try call.write("bent = Elu <alpha = \(alpha)> (X)  Y = Mul (bent, gamma)")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
