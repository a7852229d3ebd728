// Scaled dot-product attention, float32, one (batch, head) at a time, without storing the score matrix.
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// Operands of one head. score[i][j] = cap(scale * q_i . k_j) + bias[i][j], cap(x) = softcap * tanh(x / softcap) where
/// softcap > 0; keys that are masked (mask[i][j] == 0), beyond kv_length, or after the causal limit
/// (j > i + causal_offset, if causal) or before the window (j < i + causal_offset - window + 1, if window > 0) do not take
/// part. Row i of the output is the softmax-weighted sum of v rows.
///
/// A row in which no key takes part (or all scores are -inf) gives `masked_value` in every element: NAN for the
/// standard's -inf arithmetic, 0 for ONNX Runtime's. A finite float bias, however low, is no mask: finfo.min everywhere
/// gives the mean of V, as the decomposed form does.
typedef struct ck_attention {
    const CK_U(float) *q;
    const CK_U(float) *k;
    const CK_U(float) *v;
    size_t q_stride, k_stride, v_stride, out_stride;  // between rows
    size_t q_length, kv_length, head_size, v_head_size;
    float scale;
    float softcap;                   // 0: none
    const CK_U(float) *_Nullable bias;     // row stride bias_stride, which may be 0
    size_t bias_stride;
    const uint8_t *_Nullable mask;   // bool, row stride mask_stride, which may be 0
    size_t mask_stride;
    bool causal;
    ptrdiff_t causal_offset;         // number of keys before the first query (past length)
    size_t window;                   // 0: none; else each query sees its last `window` keys (causal only)
    float masked_value;
} ck_attention;

/// Bytes of scratch for one call (250 KiB for head sizes of 256).
size_t ck_attention_scratch_bytes(size_t head_size, size_t v_head_size);
/// Output rows [q_begin, q_end), row r at out + r * out_stride. Online softmax (Milakov and Gimelshein; FlashAttention):
/// error like that of the textbook form, about 1e-6 relative to the largest |v|. The bits do not depend on the split; slices
/// of 96 rows or more are fastest. Queries of q_length <= 4 (decoding) read K row by row. A weight of zero still
/// multiplies its row of V, as in the textbook form: rows of V that are masked but below kv_length must not be NaN or
/// infinite.
void ck_attention_f32(float *out, const ck_attention *attention, size_t q_begin, size_t q_end, void *scratch);

#pragma clang assume_nonnull end
#endif
