import GraphIR
import Tensors

/// LessOrEqual: Less or Equal.
private let body = FunctionBody("LessOrEqual") { call in
  try call.write(
    """
    strictly = Less (A, B)
    equal = Equal (A, B)
    C = Or (strictly, equal)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
