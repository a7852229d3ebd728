import GraphIR
import Tensors

/// RMSNormalization: X over its root mean square in the stash type, then scale.
private let body = FunctionBody("RMSNormalization") { call in
  let type = try call.element()
  let stash = try call.attributes.dataType("stash_type") ?? .float
  try call.ints("axes", call.axesFromAttribute())
  try call.scalar("epsilon", Double(call.attributes.float("epsilon")), stash)
  try call.cast("X", from: type, to: stash, as: "wide")
  try call.write(
    """
    square = Mul (wide, wide)
    mean = ReduceMean (square, axes)
    shifted = Add (mean, epsilon)
    root = Sqrt (shifted)
    normalized = Div (wide, root)
    """)
  try call.cast("normalized", from: stash, to: type, as: "narrow")
  try call.write(
    """
    Y = Mul (narrow, scale)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
