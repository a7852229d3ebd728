import GraphIR
import Tensors

/// SwiGLU: Swish(A) * B.
private let body = FunctionBody("SwiGLU") { call in
  try call.scalar("alpha", Double(call.attributes.float("alpha")))
  try call.write(
    """
    scaled = Mul (A, alpha)
    gate = Sigmoid (scaled)
    gated = Mul (A, gate)
    Y = Mul (gated, B)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
