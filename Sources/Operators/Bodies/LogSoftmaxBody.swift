import GraphIR
import Tensors

/// LogSoftmax: the differences to the maximum less the logarithm of the sum of their exponentials.
private let body = FunctionBody("LogSoftmax") { call in
  try call.ints("axes", [call.attributes.int("axis")])
  try call.write(
    """
    most = ReduceMax (input, axes)
    difference = Sub (input, most)
    power = Exp (difference)
    sum = ReduceSum (power, axes)
    shift = Log (sum)
    output = Sub (difference, shift)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
