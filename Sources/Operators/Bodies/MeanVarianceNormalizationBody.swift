import GraphIR
import Tensors

/// MeanVarianceNormalization: (X - mean) / (deviation + 1e-9) over `axes`.
private let body = FunctionBody("MeanVarianceNormalization") { call in
  try call.ints("axes", call.attributes.ints("axes"))
  try call.scalar("epsilon", 1e-9)
  try call.write(
    """
    mean = ReduceMean (X, axes)
    difference = Sub (X, mean)
    square = Mul (difference, difference)
    variance = ReduceMean (square, axes)
    root = Sqrt (variance)
    deviation = Add (root, epsilon)
    Y = Div (difference, deviation)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
