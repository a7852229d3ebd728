import GraphIR
import Tensors

/// Softsign: X / (1 + |X|).
private let body = FunctionBody("Softsign") { call in
  try call.scalar("one", 1)
  try call.write(
    """
    absolute = Abs (input)
    below = Add (absolute, one)
    output = Div (input, below)
    """)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
