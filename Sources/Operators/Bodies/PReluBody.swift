import GraphIR
import Tensors

/// PRelu: slope * X below zero, X from zero on.
private let body = FunctionBody("PRelu") { call in
  try call.scalar("zero", 0)
  try call.write(
    """
    negative = Less (X, zero)
    below = Mul (X, slope)
    Y = Where (negative, below, X)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
