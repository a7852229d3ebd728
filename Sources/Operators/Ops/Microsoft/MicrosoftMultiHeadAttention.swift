import GraphIR
import Tensors

/// com.microsoft.MultiHeadAttention: softmax(scale * Q K' + masks) V over projected inputs.
///
/// query [B, S, D] with key [B, L, D] and value [B, L, Dv], with both as caches [B, N, L, H], or with packed keys and values
/// [B, L, N, 2, H]; or all packed [B, S, N, 3, H]. bias is that of the projection. Masks: `AttentionForms.bias`; attention_bias is
/// added to the scores. past and present are [B, N, P, H]; with past_sequence_length the past is a buffer of the longest length,
/// and cache_indirection names the beam that each entry is taken from. The fourth output is the scores before softmax.
struct MicrosoftMultiHeadAttention: ComposedOperator {
  let name = OperatorName("MultiHeadAttention", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O MultiHeadAttention 1 1 10 1 4
    a mask_filter_value float
    a num_heads int!
    a scale float
    a unidirectional int=0
    i query T
    i? key T
    i? value T
    i? bias T
    i? key_padding_mask M
    i? attention_bias T
    i? past_key T
    i? past_value T
    i? past_sequence_length M
    i? cache_indirection M
    o output T
    o? present_key T
    o? present_value T
    o? qk QK
    c T tensor(*):float,float16,bfloat16
    c QK tensor(*):float,float16,bfloat16
    c M tensor(*):int32
    """
  }

  func compose<C: Composer>(_ c: inout C) throws -> [C.Ref?] {
    let form = MultiHead(
      bias: 3, mask: 4, attentionBias: 5, pastKey: 6, pastLength: 8, indirection: 9, sharesBuffer: c.has(8),
      isCausal: try c.attributes.bool("unidirectional"), packsFlat: false)
    return try form.compose(&c)
  }

  func inferOpen(_ context: inout InferenceContext) {
    for index in 0...3 { context.set(index, context.dataType(0), nil) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (0, { OperatorRegistry.submit(MicrosoftMultiHeadAttention(), to: $0) })
