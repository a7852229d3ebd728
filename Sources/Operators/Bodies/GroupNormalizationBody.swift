import GraphIR
import Tensors

/// GroupNormalization: each group of channels to mean 0 and deviation 1, then scale and bias a channel.
private let body = FunctionBody("GroupNormalization") { call in
  let type = try call.element()
  let stash = try call.attributes.dataType("stash_type") ?? .float
  let rank = try call.rank()
  try call.ints("groups", [0, call.attributes.int("num_groups"), -1])
  try call.ints("channels", [1, -1] + Array(repeating: 1, count: max(0, rank - 2)))
  try call.ints("axes", [2])
  try call.scalar("epsilon", Double(call.attributes.float("epsilon")), stash)
  try call.cast("X", from: type, to: stash, as: "wide")
  try call.write(
    """
    shape = Shape (X)
    grouped = Reshape (wide, groups)
    mean = ReduceMean (grouped, axes)
    difference = Sub (grouped, mean)
    square = Mul (difference, difference)
    variance = ReduceMean (square, axes)
    shifted = Add (variance, epsilon)
    deviation = Sqrt (shifted)
    quotient = Div (difference, deviation)
    whole = Reshape (quotient, shape)
    """)
  try call.cast("whole", from: stash, to: type, as: "narrow")
  try call.write(
    """
    factor = Reshape (scale, channels)
    shift = Reshape (bias, channels)
    scaled = Mul (narrow, factor)
    Y = Add (scaled, shift)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
