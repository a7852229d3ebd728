import GraphIR
import Tensors

/// GreaterOrEqual: Greater or Equal.
private let body = FunctionBody("GreaterOrEqual") { call in
  try call.write(
    """
    strictly = Greater (A, B)
    equal = Equal (A, B)
    C = Or (strictly, equal)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
