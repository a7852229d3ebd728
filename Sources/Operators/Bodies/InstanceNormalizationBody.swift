import GraphIR
import Tensors

/// InstanceNormalization: each channel of each item to mean 0 and deviation 1, then scale and B a channel.
private let body = FunctionBody("InstanceNormalization") { call in
  let rank = try call.rank()
  guard rank >= 3 else { throw CameoError.unsupported("InstanceNormalization of rank \(rank) has no function body") }
  try call.ints("channels", [1, -1] + Array(repeating: 1, count: rank - 2))
  try call.ints("axes", Array(2..<rank))
  try call.scalar("epsilon", Double(call.attributes.float("epsilon")))
  try call.write(
    """
    mean = ReduceMean (input, axes)
    difference = Sub (input, mean)
    square = Mul (difference, difference)
    variance = ReduceMean (square, axes)
    shifted = Add (variance, epsilon)
    deviation = Sqrt (shifted)
    normalized = Div (difference, deviation)
    factor = Reshape (scale, channels)
    shift = Reshape (B, channels)
    scaled = Mul (normalized, factor)
    output = Add (scaled, shift)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
