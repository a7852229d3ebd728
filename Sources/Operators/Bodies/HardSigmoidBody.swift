import GraphIR
import Tensors

/// HardSigmoid: alpha * X + beta, held between 0 and 1.
private let body = FunctionBody("HardSigmoid") { call in
  try call.scalar("alpha", Double(call.attributes.float("alpha")))
  try call.scalar("beta", Double(call.attributes.float("beta")))
  try call.scalar("zero", 0)
  try call.scalar("one", 1)
  try call.write(
    """
    scaled = Mul (X, alpha)
    shifted = Add (scaled, beta)
    lower = Min (shifted, one)
    Y = Max (lower, zero)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
