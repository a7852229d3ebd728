// Products of bfloat16 matrices with sums in float32: AMX tiles or AVX512-BF16 where the processor has them, widened to float32
// elsewhere. Both sides are rounded to bfloat16 (nearest, ties to even) beforehand; the packed form is the same for every kernel.
#ifndef CK_BF16_H
#define CK_BF16_H

#include "ck_base.h"
#include "ck_gemm.h"
#include "ck_last.h"

#pragma clang assume_nonnull begin

enum ck_bf16_kernel : int32_t { CK_BF16_WIDENED = 0, CK_BF16_AVX512 = 1, CK_BF16_AMX = 2 };

/// The kernel in use. `select`: another one, clamped to what the processor has and the tier allows; -1: the best. For tests, while
/// no kernel runs. `name`: of the one in use.
int32_t ck_bf16_kernel(void);
int32_t ck_bf16_select(int32_t kernel);
const char *ck_bf16_name(void);
/// Whether the kernel in use does more multiply-adds a cycle than the product of float32.
bool ck_bf16_is_fast(void);

enum {
    CK_BF16_COLUMNS = 32,  ///< of a panel of packed B
    CK_BF16_DEPTH = 32,    ///< k is padded with zeros to a multiple of it
};

/// Elements of a row of A in memory: k padded, and such that neighbouring rows do not share sets of the cache.
size_t ck_bf16_pitch(size_t k);
/// Rounds rows [begin, end) of a float32 matrix, element (i, p) at from[i * row + p * col], into to[i * pitch + p]; zeros from k to `width`. Where
/// the kernel in use is not CK_BF16_WIDENED denormals may become zero.
void ck_bf16_rows(uint16_t *to, size_t pitch, size_t width, const CK_U(float) *from, ptrdiff_t row, ptrdiff_t col, size_t k, size_t begin,
                  size_t end);

/// Packed B, in elements: panels of 32 columns; in each, pairs of rows: [k / 2][column][2].
size_t ck_bf16_packed_size(size_t k, size_t n);
void ck_bf16_pack_b(uint16_t *packed, const CK_U(float) *b, ptrdiff_t row_stride, ptrdiff_t col_stride, size_t k, size_t n,
                    size_t panel_begin, size_t panel_end);

/// Where a product goes: rows of C `ldc` elements apart, float32 or bfloat16. The epilogue as in ck_gemm.h; beta is 0; its residual, or the
/// one here in bfloat16, may equal C.
typedef struct ck_bf16_result {
    void *c;
    size_t ldc;
    bool is_bf16;
    const uint16_t *_Nullable residual;
    size_t residual_stride;
    ck_gemm_epilogue epilogue;
} ck_bf16_result;

/// C[m_begin..<m_end][n_begin..<n_end] of C = A B with the epilogue. A in rows of `lda` elements, zeros from k to the next multiple of
/// CK_BF16_DEPTH; B packed; m the rows of all of A, k the depth before padding; n_begin is a multiple of 32, n_end is too or equals the
/// columns of B. Each product of two elements is exact, sums are float32 in an order that depends on the kernel (AVX512-BF16 and AMX
/// flush denormal terms to zero). The bits do not depend on how rows and columns are split.
void ck_bf16_gemm(const ck_bf16_result *c, const uint16_t *a, size_t lda, const uint16_t *packed, size_t m, size_t k, size_t m_begin,
                  size_t m_end, size_t n_begin, size_t n_end);

/// A convolution over channels-last bfloat16, as ck_last_conv_f32 is over float32.
typedef struct ck_bf16_image {
    const uint16_t *in;  ///< first channel of the group, item 0; at an address that is a multiple of 4
    size_t pitch;        ///< elements between neighbouring positions, even
    size_t channels;     ///< of the group, even: an odd count is padded with zeros
    size_t item;         ///< elements between items, even
    ck_window window;
} ck_bf16_image;

/// The depth of the convolution as a product, `channels` a tap, in an image of this pitch.
size_t ck_bf16_conv_depth(const ck_window *window, size_t channels, size_t pitch);
/// Weights [n][channels][taps] as packed B, `padded` channels a tap: ck_bf16_packed_size(ck_bf16_conv_depth(window, padded, pitch), n).
/// Panels [panel_begin, panel_end) of them.
void ck_bf16_pack_conv(uint16_t *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t padded, const ck_window *window,
                       size_t pitch, size_t panel_begin, size_t panel_end);
/// Scratch of a call that makes at most `m` rows.
size_t ck_bf16_conv_scratch_bytes(const ck_window *window, size_t channels, size_t pitch, size_t m);
/// Where taps are read together, zeros that pad a kernel row meet pixels beyond its window: an infinity there makes a NaN.
void ck_bf16_conv(const ck_bf16_result *c, const ck_bf16_image *image, const uint16_t *packed, size_t m, size_t m_begin, size_t m_end,
                  size_t n_begin, size_t n_end, void *scratch);

#pragma clang assume_nonnull end
#endif
