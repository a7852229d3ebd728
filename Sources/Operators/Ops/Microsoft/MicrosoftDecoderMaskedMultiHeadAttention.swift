import GraphIR
import Tensors

/// com.microsoft.DecoderMaskedMultiHeadAttention: MultiHeadAttention of one new token each. `past_present_share_buffer` says that
/// the past is a buffer of the longest length. key and value of rank 4 are the caches of cross attention. The fourth output is the
/// scores before softmax.
struct MicrosoftDecoderMaskedMultiHeadAttention: ComposedOperator {
  let name = OperatorName("DecoderMaskedMultiHeadAttention", domain: "com.microsoft")

  var signature: StaticString? {
    """
    D com.microsoft 1
    O DecoderMaskedMultiHeadAttention 1 1 11 1 4
    a mask_filter_value float
    a num_heads int!
    a output_qk int
    a past_present_share_buffer int
    a scale float
    i query T
    i? key T
    i? value T
    i? mask_index M
    i? attention_bias T
    i? past_key T
    i? past_value T
    i? past_sequence_length M
    i? beam_width M
    i? cache_indirection M
    i? bias T
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
      bias: 10, mask: 3, attentionBias: 4, pastKey: 5, pastLength: 7, indirection: 9,
      sharesBuffer: try c.attributes.int("past_present_share_buffer", default: 0) != 0, isCausal: false, packsFlat: true
    )
    return try form.compose(&c)
  }

  func inferOpen(_ context: inout InferenceContext) {
    for index in 0...3 { context.set(index, context.dataType(0), nil) }
  }
}

@used @section("cameo_operators")
private let registration: RegistryRecord = (
  0, { OperatorRegistry.submit(MicrosoftDecoderMaskedMultiHeadAttention(), to: $0) }
)
