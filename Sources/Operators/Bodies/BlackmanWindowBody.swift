import GraphIR
import Tensors

/// BlackmanWindow: 0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N).
private let body = FunctionBody("BlackmanWindow") { call in
  let type = try call.attributes.int("output_datatype", default: 1)
  let periodic = try call.attributes.bool("periodic")
  try call.scalar("zero", 0, .float)
  try call.scalar("one", 1, .float)
  try call.scalar("turn", 2 * Double.pi, .float)
  try call.scalar("a", 0.42, .float)
  try call.scalar("b", 0.5, .float)
  try call.scalar("c", 0.08, .float)
  try call.scalar("two", 2, .float)
  try call.write(
    """
    count = Cast <to = 1> (size)
    places = Range (zero, count, one)
    \(periodic ? "period = Identity (count)" : "period = Sub (count, one)")
    whole = Mul (places, turn)
    angle = Div (whole, period)
    cosine = Cos (angle)
    first = Mul (cosine, b)
    double = Mul (angle, two)
    cosine2 = Cos (double)
    second = Mul (cosine2, c)
    base = Sub (a, first)
    window = Add (base, second)
    output = Cast <to = \(type)> (window)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
