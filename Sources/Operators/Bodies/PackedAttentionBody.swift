import GraphIR
import Tensors

/// ai.cameo.PackedAttention: the Split, the rotations, Attention.
private let body = FunctionBody("PackedAttention", domain: "ai.cameo") { call in
  let heads = try call.attributes.int("q_num_heads", default: 0)
  let keyHeads = try call.attributes.int("kv_num_heads", default: 0)
  guard heads > 0, keyHeads > 0, let width = call.shape(0)?.last?.value, width % (heads + 2 * keyHeads) == 0 else {
    throw CameoError.unsupported("the size of a head is not known")
  }
  let size = width / (heads + 2 * keyHeads)
  try call.ints("sizes", [heads * size, keyHeads * size, keyHeads * size])
  try call.write("query, key, value = Split <axis = 2> (QKV, sizes)")
  var (rotatedQuery, rotatedKey) = ("query", "key")
  if call.has(5) {
    let dim = try call.attributes.int("rotary_embedding_dim", default: 0)
    let isInterleaved = try call.attributes.int("interleaved", default: 0)
    let options = "interleaved = \(isInterleaved), rotary_embedding_dim = \(dim)"
    let positions = call.has(7) ? ", position_ids" : ""
    for (name, count) in [("query", heads), ("key", keyHeads)] {
      try call.write(
        "\(name)_turned = RotaryEmbedding <num_heads = \(count), \(options)> (\(name), cos_cache, sin_cache\(positions))"
      )
    }
    (rotatedQuery, rotatedKey) = ("query_turned", "key_turned")
  }
  var inputs = [rotatedQuery, rotatedKey, "value"]
  for (index, name) in [(1, "attn_mask"), (2, "past_key"), (3, "past_value"), (4, "nonpad_kv_seqlen")] {
    inputs.append(call.has(index) ? name : "")
  }
  while inputs.last == "" { inputs.removeLast() }
  let outputs = call.hasOutput(1) || call.hasOutput(2) ? "Y, present_key, present_value" : "Y"
  let own: Set<String> = ["interleaved", "rotary_embedding_dim"]
  try call.write(
    "\(outputs) = Attention (\(inputs.joined(separator: ", ")))",
    attributes: call.node.attributes.filter { !own.contains($0.name) })
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (2, { FunctionBody.submit(body, to: $0) })
