import GraphIR
import Tensors

/// Shrink: X + bias below -lambd, X - bias above lambd, 0 between.
private let body = FunctionBody("Shrink") { call in
  let (bias, lambd) = (Double(try call.attributes.float("bias")), Double(try call.attributes.float("lambd")))
  try call.scalar("bias", bias)
  try call.scalar("low", -lambd)
  try call.scalar("high", lambd)
  try call.scalar("zero", 0)
  try call.write(
    """
    below = Less (input, low)
    above = Greater (input, high)
    up = Add (input, bias)
    down = Sub (input, bias)
    inner = Where (above, down, zero)
    output = Where (below, up, inner)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
