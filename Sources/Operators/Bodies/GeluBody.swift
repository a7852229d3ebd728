import GraphIR
import Tensors

/// Gelu: X * Phi(X), exactly or by the tanh formula.
private let body = FunctionBody("Gelu") { call in
  try call.scalar("half", 0.5)
  try call.scalar("one", 1)
  if try call.attributes.string("approximate", default: "none") == "tanh" {
    try call.scalar("cubic", 0.044715)
    try call.scalar("root", (2 / Double.pi).squareRoot())
    try call.write(
      """
      square = Mul (X, X)
      cube = Mul (square, X)
      third = Mul (cube, cubic)
      sum = Add (X, third)
      inner = Mul (sum, root)
      bent = Tanh (inner)
      above = Add (bent, one)
      halved = Mul (X, half)
      Y = Mul (halved, above)
      """)
  } else {
    try call.scalar("root", 2.0.squareRoot())
    try call.write(
      """
      inner = Div (X, root)
      bent = Erf (inner)
      above = Add (bent, one)
      scaled = Mul (X, above)
      Y = Mul (scaled, half)
      """)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
