import GraphIR
import Tensors

/// Softmax: exponentials of the differences to the maximum, over their sum.
private let body = FunctionBody("Softmax") { call in
  try call.ints("axes", [call.attributes.int("axis")])
  try call.write(
    """
    most = ReduceMax (input, axes)
    difference = Sub (input, most)
    power = Exp (difference)
    sum = ReduceSum (power, axes)
    output = Div (power, sum)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
