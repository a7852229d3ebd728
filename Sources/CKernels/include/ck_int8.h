// Products and convolutions of 8-bit matrices with a packed right side: exact int32 sums (wrapping) by AMX tiles, VNNI or pairs of 16 bits, and
// what is done with each sum while its tile is in cache. The packed form is the same for every kernel.
#ifndef CK_INT8_H
#define CK_INT8_H

#include "ck_base.h"
#include "ck_unary.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

enum ck_int8_kernel : int32_t { CK_INT8_PAIRS = 0, CK_INT8_AVX_VNNI = 1, CK_INT8_AVX512_VNNI = 2, CK_INT8_AMX = 3 };

/// The kernel in use. `select`: the best one up to this of those that the processor has and the tier allows; -1: the best. For tests, while no
/// kernel runs. `name`: of the one in use.
int32_t ck_int8_kernel(void);
int32_t ck_int8_select(int32_t kernel);
const char *ck_int8_name(void);

enum {
    CK_INT8_COLUMNS = 32,  ///< of a panel of packed B
    CK_INT8_DEPTH = 64,    ///< the depth of packed B is a multiple of it
};

/// Packed B: panels of 32 columns; in each, fours of rows: [depth / 4][column][4]. int8 as it is, uint8 less 128; rows that only pad are zero.
/// Behind it each column's sum of the packed numbers, and which rows are no padding.
typedef struct ck_int8_weights {
    const void *packed;
    size_t depth;  ///< with padding
    size_t n;
    size_t line;   ///< of each `row` rows the first that are no padding; `row` is a multiple of CK_INT8_DEPTH
    size_t row;
} ck_int8_weights;

/// Of a matrix with k rows. `packed` is set by the caller.
ck_int8_weights ck_int8_matrix(size_t k, size_t n);
/// Of a convolution by [n][channels][taps] of an image whose neighbouring positions are `pitch` bytes apart.
ck_int8_weights ck_int8_filters(const ck_window *window, size_t channels, size_t pitch, size_t n);
size_t ck_int8_packed_bytes(const ck_int8_weights *weights);
/// Packs B, element (p, j) at b[p * row_stride + j * col_stride] bytes.
void ck_int8_pack(void *packed, const ck_int8_weights *weights, const void *b, bool is_signed, ptrdiff_t row_stride, ptrdiff_t col_stride);
/// Packs filters [n][channels][taps].
void ck_int8_pack_filters(void *packed, const ck_int8_weights *weights, const void *filters, bool is_signed, size_t channels,
                          const ck_window *window);
/// add[j] = bias[j] - a_zero * (sum over p of (b[p][j] - b_zero[j])), wrapping, for all n columns; b the packed numbers, `b_zero` in those. k: rows
/// that are no padding.
void ck_int8_corrections(int32_t *add, const ck_int8_weights *weights, size_t k, int32_t a_zero, const CK_U(int32_t) *_Nullable b_zero,
                         const CK_U(int32_t) *_Nullable bias);

enum ck_int8_type : int32_t { CK_INT8_INT32, CK_INT8_FLOAT, CK_INT8_UINT8, CK_INT8_INT8, CK_INT8_NONE };

/// Where a product goes. With s = sum_p a[i][p] * b[p][j] + add[j] - b_zero[j] * sum_p a[i][p], wrapping:
///   int32: s
///   float: act((float)s * scale[j] + bias[j] + z), each step rounded by itself, z the residual: float, or (residual - zero) * scale
///   8 bits: saturate(round_half_even(that * inverse) + zero); a NaN gives `zero`
/// The activations without exp are the formulas of the portable evaluation, step by step, too.
/// Gelu of what becomes 8 bits is right to 1e-6.
typedef struct ck_int8_result {
    void *c;
    size_t ldc;
    int32_t type;
    const CK_U(int32_t) *_Nullable add;
    const CK_U(int32_t) *_Nullable b_zero;
    const CK_U(float) *_Nullable scale;
    const CK_U(float) *_Nullable bias;
    const void *_Nullable residual;  ///< may equal c where the types are the same
    size_t residual_stride;
    int32_t residual_type;           ///< CK_INT8_NONE: there is none
    float residual_scale;
    int32_t residual_zero;
    ck_activation act;
    float inverse;
    int32_t zero;
} ck_int8_result;

/// Rows [m_begin, m_end) and columns [n_begin, n_end) of a product: A's rows `lda` bytes apart, m of them in all, k numbers each; n_begin a
/// multiple of 32, n_end too or n. The bits do not depend on the split nor on the kernel (behind activations with exp: on the tier).
typedef struct ck_int8_rows {
    const void *a;
    size_t lda, m, k;
    bool is_signed;
} ck_int8_rows;
size_t ck_int8_gemm_scratch_bytes(size_t k);
void ck_int8_gemm(const ck_int8_result *c, const ck_int8_rows *a, const ck_int8_weights *b, size_t m_begin, size_t m_end, size_t n_begin,
                  size_t n_end, void *scratch);

/// An image [N][spatial][..] and the window over it; `pad` is what lies outside, as the image holds it.
typedef struct ck_int8_image {
    const void *in;   ///< first channel of the group, item 0
    size_t pitch;     ///< between neighbouring positions
    size_t channels;  ///< of the group
    size_t item;      ///< between items
    bool is_signed;
    uint8_t pad;
    ck_window window;
} ck_int8_image;
/// Positions [begin, end) of images [N][3][plane] as [N][plane][3].
void ck_int8_interleave(void *out, const void *in, size_t plane, size_t begin, size_t end);
/// Scratch of a call that makes at most `m` rows.
size_t ck_int8_conv_scratch_bytes(const ck_window *window, size_t channels, size_t pitch, size_t m);
/// Before the first call with a scratch for an image: calls for the same rows and other columns find there what earlier ones copied.
void ck_int8_conv_begin(void *scratch);
/// Rows are output positions of the whole batch.
void ck_int8_conv(const ck_int8_result *c, const ck_int8_image *image, const ck_int8_weights *filters, size_t m_begin, size_t m_end,
                  size_t n_begin, size_t n_end, void *scratch);

/// Convolutions with one filter of one plane a channel. `b_zero`, in the numbers as ck_int8_pack keeps them, is part of the packed form: the result
/// has none. False where the window has a third axis or too many rows.
bool ck_int8_is_depthwise(const ck_window *window);
ck_int8_weights ck_int8_depthwise_filters(const ck_window *window, size_t channels);
/// Packs filters [channels][taps]. `ck_int8_corrections` takes the result, with `b_zero`.
void ck_int8_pack_depthwise(void *packed, const ck_int8_weights *weights, const void *filters, bool is_signed,
                            const CK_U(int32_t) *_Nullable b_zero, const ck_window *window);
size_t ck_int8_depthwise_scratch_bytes(const ck_window *window);
/// Output lines [begin, end) of N * out[1], all channels.
void ck_int8_depthwise(const ck_int8_result *c, const ck_int8_image *image, const ck_int8_weights *filters, size_t begin, size_t end,
                       void *scratch);

#pragma clang assume_nonnull end
#endif
