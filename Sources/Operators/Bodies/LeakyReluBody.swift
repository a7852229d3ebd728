import GraphIR
import Tensors

/// LeakyRelu: alpha * X below zero, X from zero on.
private let body = FunctionBody("LeakyRelu") { call in
  try call.scalar("alpha", Double(call.attributes.float("alpha")))
  try call.scalar("zero", 0)
  try call.write(
    """
    negative = Less (X, zero)
    below = Mul (X, alpha)
    Y = Where (negative, below, X)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
