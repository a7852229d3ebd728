import GraphIR
import Tensors

/// HammingWindow: 25/46 - 21/46 cos(2 pi n / N).
private let body = FunctionBody("HammingWindow") { call in
  let type = try call.attributes.int("output_datatype", default: 1)
  let periodic = try call.attributes.bool("periodic")
  try call.scalar("zero", 0, .float)
  try call.scalar("one", 1, .float)
  try call.scalar("turn", 2 * Double.pi, .float)
  try call.scalar("a", 25.0 / 46, .float)
  try call.scalar("b", 21.0 / 46, .float)
  try call.write(
    """
    count = Cast <to = 1> (size)
    places = Range (zero, count, one)
    \(periodic ? "period = Identity (count)" : "period = Sub (count, one)")
    whole = Mul (places, turn)
    angle = Div (whole, period)
    cosine = Cos (angle)
    first = Mul (cosine, b)
    window = Sub (a, first)
    output = Cast <to = \(type)> (window)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
