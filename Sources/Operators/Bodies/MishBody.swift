import GraphIR
import Tensors

/// Mish: X * tanh(softplus(X)).
private let body = FunctionBody("Mish") { call in
  try call.write(
    """
    soft = Softplus (X)
    bent = Tanh (soft)
    Y = Mul (X, bent)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
