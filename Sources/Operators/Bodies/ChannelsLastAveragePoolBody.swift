import GraphIR

private let body = FunctionBody("ChannelsLastAveragePool", domain: "ai.cameo") { call in
  try ChannelsLast.write(&call, "AveragePool", attributes: call.node.attributes)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
