// Products of 8-bit matrices with a packed right side: exact int32 sums (wrapping), zero points and rescaling applied to each tile.
#ifndef CK_DOT8_H
#define CK_DOT8_H

#include "ck_base.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

/// Columns of a panel of packed B.
enum { CK_DOT8_COLUMNS = 32 };

/// Bytes of packed B [k][n]: panels of 32 columns, four consecutive k of a column together; k and n are padded with zeros. The
/// form is the same for all tiers.
size_t ck_dot8_packed_bytes(size_t k, size_t n);
/// Packs panels [panel_begin, panel_end) of B, element (p, j) at b[p * row_stride + j * col_stride] bytes: int8 as it is, uint8 less
/// 128. `sums`: the packed numbers' sum over k for each column, room for whole panels.
void ck_dot8_pack(int8_t *packed, int32_t *sums, const void *b, bool is_signed, ptrdiff_t row_stride, ptrdiff_t col_stride,
                  size_t k, size_t n, size_t panel_begin, size_t panel_end);

enum ck_dot8_result : int32_t { CK_DOT8_INT32, CK_DOT8_FLOAT, CK_DOT8_UINT8, CK_DOT8_INT8 };

/// sum(i, j) = sum_p (a[i][p] - a_zero) * (b[p][j] - b_zero[j]), b the packed numbers, then by `result`
///   int32:  sum + bias
///   float:  (float)(sum + bias) * scale[j] + addend[j]
///   8 bits: saturate(round_half_even((float)(sum + bias) * scale[j]) + zero)
typedef struct ck_dot8 {
    const uint8_t *a;
    size_t lda;
    int32_t a_zero;
    const int8_t *b;
    /// For each column: the packed numbers' sum less k * b_zero.
    const CK_U(int32_t) *columns;
    /// For each column; null where all are 0.
    const CK_U(int32_t) *_Nullable b_zero;
    size_t n;
    size_t k;
    const CK_U(int32_t) *_Nullable bias;
    const CK_U(float) *_Nullable scale;
    const CK_U(float) *_Nullable addend;
    int32_t zero;
    int32_t result;
    void *out;
    /// Elements between rows of `out`.
    size_t ldo;
} ck_dot8;

/// Rows [m_begin, m_end) and panels [panel_begin, panel_end) of the product. The bits do not depend on the split.
void ck_dot8_run(const ck_dot8 *product, size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end);

/// Rows [begin, end) of the column matrix of an image [.., channels] under a window, a row for each output position: taps, then
/// channels. Numbers outside the image are `pad`; with `flip` all of the image's are int8 and become uint8 by adding 128.
void ck_dot8_columns(uint8_t *out, const void *in, bool flip, uint8_t pad, const ck_window *window, size_t channels,
                     size_t begin, size_t end);

/// uint8 = int8 + 128.
void ck_flip_i8(uint8_t *out, const void *in, size_t n);

#pragma clang assume_nonnull end
#endif
