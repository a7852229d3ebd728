import GraphIR
import Tensors

/// BatchNormalization with statistics that are given: (X - input_mean) / deviation, then scale and B, a channel each.
private let body = FunctionBody("BatchNormalization") { call in
  guard try !call.attributes.bool("training_mode") else {
    throw CameoError.unsupported("BatchNormalization in training mode has no function body")
  }
  let rank = try call.rank()
  guard rank >= 2 else { throw CameoError.unsupported("BatchNormalization of rank \(rank) has no function body") }
  let type = try call.element()
  let parts = try [(1, "scale"), (2, "B"), (3, "input_mean"), (4, "input_var")].map {
    (name: $0.1, type: try call.element($0.0))
  }
  let wide = parts.allSatisfy { $0.type == type } ? type : .float
  try call.ints("channels", [1, -1] + Array(repeating: 1, count: rank - 2))
  try call.scalar("epsilon", Double(call.attributes.float("epsilon")), wide)
  for part in parts {
    try call.cast(part.name, from: part.type, to: wide, as: "wide_\(part.name)")
    try call.write("each_\(part.name) = Reshape (wide_\(part.name), channels)")
  }
  try call.cast("X", from: type, to: wide, as: "wide")
  try call.write(
    """
    difference = Sub (wide, each_input_mean)
    shifted = Add (each_input_var, epsilon)
    deviation = Sqrt (shifted)
    normalized = Div (difference, deviation)
    scaled = Mul (normalized, each_scale)
    result = Add (scaled, each_B)
    """)
  try call.cast("result", from: wide, to: type, as: "Y")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
