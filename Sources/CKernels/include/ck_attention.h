// Scaled dot-product attention in tiles: the scores are never stored (FlashAttention; online softmax by Milakov and Gimelshein).
#ifndef CK_ATTENTION_H
#define CK_ATTENTION_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

typedef enum ck_attention_type {
    CK_ATTENTION_F32,
    CK_ATTENTION_F16,
    CK_ATTENTION_BF16,
    CK_ATTENTION_BOOL,  // masks only
} ck_attention_type;

/// Keys and values of one head: `length` rows of `type`, row t at k + t * k_row and v + t * v_row.
typedef struct ck_attention_keys {
    const void *_Nullable k;
    const void *_Nullable v;
    size_t k_row, v_row, length;
} ck_attention_keys;

/// One head of keys and values and the `group` query heads that read it. Strides count elements of the operand's type.
///
/// score[g][i][j] = cap(scale * q[g][i] . k[j]) + mask[g][i][j], cap(x) = softcap * tanh(x / softcap) where softcap > 0. The
/// keys are those of part 0 (a cache), then those of part 1. Query i stands at position offset + i; key j takes part if
///   position - left <= j (left >= 0), j <= position + right (right >= 0), j < valid,
/// and, with a mask, if j < covered and the mask, where it is bool, holds true. out[g][i] is the softmax-weighted sum of the v.
///
/// A row in which no key takes part (or all scores are -inf) gives `masked_value` in every element: NAN for the
/// standard's -inf arithmetic, 0 for ONNX Runtime's and onnx 1.23's. A finite float bias, however low, is no mask: finfo.min
/// everywhere gives the mean of V, as the decomposed form does.
typedef struct ck_attention {
    const void *q;
    size_t q_row, q_head, q_length, group;
    ck_attention_keys part[2];
    void *out;
    size_t out_row, out_head;
    size_t head_size, v_head_size;
    ck_attention_type q_type, k_type, v_type, out_type, mask_type;
    float scale;
    float softcap;  // 0: none
    const void *_Nullable mask;
    size_t mask_row, mask_head;  // either may be 0; keys are contiguous
    size_t covered;
    ptrdiff_t offset;
    ptrdiff_t left, right;  // -1: no bound; causal is right == 0
    size_t valid;
    float masked_value;
} ck_attention;

/// Rows of queries (group * q_length of them, row r being query r / group of head r % group) that are computed together.
size_t ck_attention_row_block(size_t head_size, size_t v_head_size);
/// Bytes of scratch for one call: at most 960 KiB for any size of heads.
size_t ck_attention_scratch_bytes(size_t head_size, size_t v_head_size);
/// Output rows [begin, end). Sums are float32 whatever the operands are, and rounded to out_type once; error like that of the
/// textbook form, about 1e-6 relative to the largest |v|. The bits do not depend on the split; slices of whole blocks are
/// fastest. A weight of zero may multiply its row of V, as in the textbook form: rows of V that are masked must not be NaN
/// or infinite.
void ck_attention_rows(const ck_attention *attention, size_t begin, size_t end, void *scratch);

/// Splitting over keys, for few queries and many keys: rows [begin, end) over keys [key_begin, key_end) of both parts, not
/// divided by their sums; a row is v_head_size numbers, its maximum and its sum.
void ck_attention_partial(const ck_attention *attention, size_t begin, size_t end, size_t key_begin, size_t key_end,
                          float *partial, void *scratch);
/// Joins `count` partial results of rows [begin, end), `stride` floats apart, into the output rows.
void ck_attention_merge(const ck_attention *attention, size_t begin, size_t end, const CK_U(float) *partial, size_t count,
                        size_t stride);

/// The same with products of bfloat16: Q, K, V and the weights are rounded to it (nearest, ties to even) where they are not bfloat16
/// yet, sums and softmax are float32. With factors that bfloat16 holds the error comes from the rounded weights: at most 2^-9 of the
/// largest |v|. AVX512-BF16 and AMX take denormals for zero. What the bits do not depend on, and zero weights, as above.
///
/// `kernel`: which of ck_bf16_kernel serves a call with `rows` = group * q_length rows. CK_BF16_WIDENED: the functions are those above
/// (no instructions for it; float16 among the operands; K or V in float32 for so few rows that rounding gains nothing).
int32_t ck_attention_bf16_kernel(size_t rows, ck_attention_type q, ck_attention_type k, ck_attention_type v);
size_t ck_attention_bf16_row_block(size_t head_size, size_t v_head_size);
size_t ck_attention_bf16_scratch_bytes(size_t head_size, size_t v_head_size);
void ck_attention_bf16_rows(const ck_attention *attention, size_t begin, size_t end, void *scratch);
void ck_attention_bf16_partial(const ck_attention *attention, size_t begin, size_t end, size_t key_begin, size_t key_end,
                               float *partial, void *scratch);

#pragma clang assume_nonnull end
#endif
