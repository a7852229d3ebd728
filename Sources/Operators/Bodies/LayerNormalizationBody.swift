import GraphIR
import Tensors

/// LayerNormalization: (X - mean) / deviation in the stash type, then Scale and B.
private let body = FunctionBody("LayerNormalization") { call in
  let type = try call.element()
  let stash = try call.attributes.dataType("stash_type") ?? .float
  try call.ints("axes", call.axesFromAttribute())
  try call.scalar("epsilon", Double(call.attributes.float("epsilon")), stash)
  try call.cast("X", from: type, to: stash, as: "wide")
  try call.write(
    """
    Mean = ReduceMean (wide, axes)
    difference = Sub (wide, Mean)
    square = Mul (difference, difference)
    variance = ReduceMean (square, axes)
    shifted = Add (variance, epsilon)
    deviation = Sqrt (shifted)
    InvStdDev = Reciprocal (deviation)
    normalized = Mul (difference, InvStdDev)
    """)
  try call.cast("normalized", from: stash, to: type, as: "narrow")
  try call.write(
    """
    \(call.has(2) ? "scaled = Mul (narrow, Scale)  Y = Add (scaled, B)" : "Y = Mul (narrow, Scale)")
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
