import GraphIR
import Tensors

/// HannWindow: 1/2 - 1/2 cos(2 pi n / N).
private let body = FunctionBody("HannWindow") { call in
  let type = try call.attributes.int("output_datatype", default: 1)
  let periodic = try call.attributes.bool("periodic")
  try call.scalar("zero", 0, .float)
  try call.scalar("one", 1, .float)
  try call.scalar("turn", 2 * Double.pi, .float)
  try call.scalar("a", 0.5, .float)
  try call.scalar("b", 0.5, .float)
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
