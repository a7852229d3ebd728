import GraphIR
import Tensors

/// ThresholdedRelu: X above alpha, 0 elsewhere.
private let body = FunctionBody("ThresholdedRelu") { call in
  try call.scalar("alpha", Double(call.attributes.float("alpha")))
  try call.scalar("zero", 0)
  try call.write(
    """
    above = Greater (X, alpha)
    Y = Where (above, X, zero)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
