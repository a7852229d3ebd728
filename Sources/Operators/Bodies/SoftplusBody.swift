import GraphIR
import Tensors

/// Softplus: log(1 + exp(X)), written so that it cannot overflow.
private let body = FunctionBody("Softplus") { call in
  try call.scalar("zero", 0)
  try call.scalar("one", 1)
  try call.write(
    """
    absolute = Abs (X)
    negative = Neg (absolute)
    power = Exp (negative)
    above = Add (power, one)
    small = Log (above)
    large = Max (X, zero)
    Y = Add (large, small)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
