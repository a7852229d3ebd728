import GraphIR

private let body = FunctionBody("ChannelsLastMaxPool", domain: "ai.cameo") { call in
  try ChannelsLast.write(&call, "MaxPool", attributes: call.node.attributes)
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
