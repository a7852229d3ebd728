import GraphIR
import Tensors

/// SwiGLU: Swish(A) * B.
private let body = FunctionBody("SwiGLU") { call in
  let alpha = try call.attributes.float("alpha")
  try call.write("gated = Swish <alpha = \(alpha)> (A)  Y = Mul (gated, B)")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
