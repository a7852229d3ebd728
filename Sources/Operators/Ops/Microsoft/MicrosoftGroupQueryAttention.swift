import GraphIR
import Tensors

/// com.microsoft.GroupQueryAttention: causal attention of grouped heads over a cache, whose entries past each item's length do
/// not count.
///
/// query [B, S, N H] with key and value [B, S, K H], or all three side by side. past [B, K, P, H] may be a buffer longer than what
/// it holds: seqlens_k is each item's length with the new entries less 1, total_sequence_length the longest of them; where that is
/// S nothing is held yet. present has the longer of P and the total length. Options: rotary embedding from caches,
/// `local_window_size`, `softcap`, attention_bias, head_sink or `smooth_softmax` (one more exponent in the denominator), norms of Q
/// and K, quantized caches, `sliding_window_cache`, and the scores before (`qk_output` 1) or after (2) softmax.
struct MicrosoftGroupQueryAttention: ComposedOperator {
  let name = OperatorName("GroupQueryAttention", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O GroupQueryAttention 1 7 16 1 4
    a causal int=1
    a do_rotary int
    a k_quant_type string=NONE
    a kv_cache_bit_width int
    a kv_num_heads int!
    a local_window_size int=-1
    a num_heads int!
    a qk_norm_epsilon float=1e-06
    a qk_output int=0
    a rotary_interleaved int
    a scale float
    a sliding_window_cache int=0
    a smooth_softmax int=-1
    a softcap float
    a v_quant_type string=NONE
    i query T
    i? key T
    i? value T
    i? past_key T_CACHE
    i? past_value T_CACHE
    i seqlens_k M
    i total_sequence_length M
    i? cos_cache T
    i? sin_cache T
    i? position_ids tensor(int64)
    i? attention_bias T
    i? head_sink T
    i? k_scale T_KV_SCALE
    i? v_scale T_KV_SCALE
    i? q_norm_weight T
    i? k_norm_weight T
    o output T
    o? present_key T_CACHE
    o? present_value T_CACHE
    o? output_qk T
    c T tensor(*):float16,bfloat16,float
    c T_CACHE tensor(*):float,float16,bfloat16,uint8,int8,float8e4m3fn
    c T_KV_SCALE tensor(*):float
    c M tensor(*):int32
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    var form = try GroupQuery(&c)
    return try form.compose(&c)
  }

  func inferOpen(_ context: inout InferenceContext) {
    context.set(0, context.dataType(0), nil)
    for index in 1...2 { context.set(index, context.dataType(3) ?? context.dataType(0), nil) }
    context.set(3, context.dataType(0), nil)
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftGroupQueryAttention(), to: $0) })
