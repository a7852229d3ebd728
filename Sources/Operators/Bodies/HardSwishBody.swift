import GraphIR
import Tensors

/// HardSwish: X * HardSigmoid(X) with alpha 1/6 and beta 1/2.
private let body = FunctionBody("HardSwish") { call in
  try call.scalar("alpha", 1.0 / 6)
  try call.scalar("half", 0.5)
  try call.scalar("zero", 0)
  try call.scalar("one", 1)
  try call.write(
    """
    scaled = Mul (X, alpha)
    shifted = Add (scaled, half)
    lower = Min (shifted, one)
    gate = Max (lower, zero)
    Y = Mul (X, gate)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
