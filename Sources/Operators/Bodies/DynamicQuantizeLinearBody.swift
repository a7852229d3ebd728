import GraphIR
import Tensors

/// DynamicQuantizeLinear: the scale and zero point that map the range of x, zero included, to 0...255.
private let body = FunctionBody("DynamicQuantizeLinear") { call in
  try call.scalar("zero", 0)
  try call.scalar("steps", 255)
  try call.scalar("one", 1)
  try call.write(
    """
    least = ReduceMin <keepdims = 0> (x)
    low = Min (least, zero)
    greatest = ReduceMax <keepdims = 0> (x)
    high = Max (greatest, zero)
    range = Sub (high, low)
    step = Div (range, steps)
    empty = Equal (range, zero)
    y_scale = Where (empty, one, step)
    place = Div (low, y_scale)
    shift = Neg (place)
    rounded = Round (shift)
    raised = Max (rounded, zero)
    held = Min (raised, steps)
    y_zero_point = Cast <to = 2> (held)
    y = QuantizeLinear (x, y_scale, y_zero_point)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
