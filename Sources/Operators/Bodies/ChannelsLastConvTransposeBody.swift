import GraphIR

/// ConvTranspose between two Transposes.
private let body = FunctionBody("ChannelsLastConvTranspose", domain: "ai.cameo") { call in
  try ChannelsLast.write(
    &call, "ConvTranspose", inputs: "W\(call.has(2) ? ", B" : "")", attributes: call.node.attributes)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
