import GraphIR
import Tensors

/// Swish: X * sigmoid(alpha * X).
private let body = FunctionBody("Swish") { call in
  try call.scalar("alpha", Double(call.attributes.float("alpha")))
  try call.write(
    """
    scaled = Mul (X, alpha)
    gate = Sigmoid (scaled)
    Y = Mul (X, gate)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
