import GraphIR

/// Conv between two Transposes, the sum with Z, the activation.
private let body = FunctionBody("ChannelsLastConv", domain: "ai.cameo") { call in
  let rank = try call.rank(0)
  let kept = call.node.attributes.filter { !["activation", "activation_params", "channels_first"].contains($0.name) }
  let isFirst = try AttributeReader(call.node).bool("channels_first")
  try call.write(isFirst ? "first = Identity (X)" : "first = Transpose <perm = \(ChannelsLast.toFirst(rank))> (X)")
  try call.write("plain = Conv (first, W\(call.has(2) ? ", B" : ""))", attributes: kept)
  try call.write("last = Transpose <perm = \(ChannelsLast.toLast(rank))> (plain)")
  try call.write(call.has(3) ? "sum = Add (last, Z)" : "sum = Identity (last)")
  try call.activate("sum", as: "Y")
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
