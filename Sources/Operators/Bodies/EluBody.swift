import GraphIR
import Tensors

/// Elu: alpha * (exp(X) - 1) below zero, X from zero on.
private let body = FunctionBody("Elu") { call in
  try call.scalar("alpha", Double(call.attributes.float("alpha")))
  try call.scalar("zero", 0)
  try call.scalar("one", 1)
  try call.write(
    """
    negative = Less (X, zero)
    power = Exp (X)
    less = Sub (power, one)
    below = Mul (less, alpha)
    Y = Where (negative, below, X)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
