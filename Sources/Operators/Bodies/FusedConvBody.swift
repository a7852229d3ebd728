import GraphIR
import Tensors

/// ai.cameo.FusedConv: Conv, the sum with Z, the activation.
private let body = FunctionBody("FusedConv", domain: "ai.cameo") { call in
  let kept = call.node.attributes.filter { !["activation", "activation_params"].contains($0.name) }
  try call.write("plain = Conv (X, W\(call.has(2) ? ", B" : ""))", attributes: kept)
  try call.write(call.has(3) ? "sum = Add (plain, Z)" : "sum = Identity (plain)")
  try call.activate("sum", as: "Y")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
