import GraphIR
import Tensors

/// Selu: gamma * Elu(X).
private let body = FunctionBody("Selu") { call in
  try call.scalar("alpha", Double(call.attributes.float("alpha")))
  try call.scalar("gamma", Double(call.attributes.float("gamma")))
  try call.scalar("zero", 0)
  try call.scalar("one", 1)
  try call.write(
    """
    negative = Less (X, zero)
    power = Exp (X)
    less = Sub (power, one)
    scaled = Mul (less, alpha)
    chosen = Where (negative, scaled, X)
    Y = Mul (chosen, gamma)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
