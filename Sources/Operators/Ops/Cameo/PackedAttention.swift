import GraphIR
import Tensors

/// ai.cameo.PackedAttention(QKV, attn_mask?, past_key?, past_value?, nonpad_kv_seqlen?, cos_cache?, sin_cache?, position_ids?): Attention of
/// queries, keys and values that lie side by side in the last axis, [batch, length, (q_num_heads + 2 kv_num_heads) * size].
///
/// Given the caches of angles, queries and keys are rotated first, as RotaryEmbedding does it.
struct PackedAttention: Operator {
  let name = OperatorName("PackedAttention", domain: "ai.cameo")

  var signature: StaticString? {
    """
    D ai.cameo 1
    O PackedAttention 1 1 8 1 3
    a interleaved int=0
    a is_causal int=0
    a kv_num_heads int!
    a left_window_size int=-1
    a q_num_heads int!
    a right_window_size int=-1
    a rotary_embedding_dim int=0
    a scale float
    a softcap float=0
    a softmax_precision int
    i QKV T
    i? attn_mask U
    i? past_key T
    i? past_value T
    i? nonpad_kv_seqlen tensor(int64)
    i? cos_cache T
    i? sin_cache T
    i? position_ids tensor(int64)
    o Y T
    o? present_key T
    o? present_value T
    c T tensor(*):float,float16,bfloat16
    c U tensor(*):bool,float,float16,bfloat16
    """
  }

  func infer(_ context: inout InferenceContext) throws {
    let type = context.dataType(0)
    guard let packed = context.shape(0) else { return context.set(0, type, nil) }
    try context.require(rank: 3...3, of: 0)
    let heads = try context.attributes.int("q_num_heads", default: 0)
    let keyHeads = try context.attributes.int("kv_num_heads", default: 0)
    guard heads > 0, keyHeads > 0 else {
      throw CameoError.badInput("q_num_heads is \(heads) and kv_num_heads \(keyHeads), 1 or more was expected")
    }
    let size = packed[2].floorDiv(Dim(heads + 2 * keyHeads))
    context.set(0, type, [packed[0], packed[1], Dim(heads) * size])
    var total = packed[1]
    if context.hasInput(2) { total = (context.shape(2)?[2] ?? context.unknownDim()) + total }
    for index in 1...2 { context.set(index, type, [packed[0], Dim(keyHeads), total, size]) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(PackedAttention(), to: $0) })
