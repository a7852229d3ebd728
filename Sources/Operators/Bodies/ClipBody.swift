import GraphIR
import Tensors

/// Clip: Max and Min with the bounds that are there.
private let body = FunctionBody("Clip") { call in
  switch (call.has(1), call.has(2)) {
  case (true, true): try call.write("raised = Max (input, min)  output = Min (raised, max)")
  case (true, false): try call.write("output = Max (input, min)")
  case (false, true): try call.write("output = Min (input, max)")
  default: try call.write("output = Identity (input)")
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
