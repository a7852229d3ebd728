// float32 matrix products: packed-B GEMM with a fused epilogue, matrix-vector products, and the portable blocked
// contraction that the reference evaluation uses.
#ifndef CK_GEMM_H
#define CK_GEMM_H

#include "ck_base.h"
#include "ck_unary.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

/// What is applied to each element of C after the product, in this order:
///   c = act(alpha * sum + beta * c_old + bias_col[n] + bias_row[m] + residual[m * residual_stride + n])
/// Null pointers are left out; beta == 0 does not read C. `residual` may equal C. `act_first` applies the activation before
/// the residual is added.
typedef struct ck_gemm_epilogue {
    float alpha;
    float beta;
    const CK_U(float) *_Nullable bias_col;
    const CK_U(float) *_Nullable bias_row;
    const CK_U(float) *_Nullable residual;
    size_t residual_stride;
    ck_activation act;
    bool act_first;
} ck_gemm_epilogue;

/// Columns in a panel of packed B and rows in a tile of C, for the tier in use.
size_t ck_gemm_nr(void);
size_t ck_gemm_mr(void);

/// Packed B: ceil(n / nr) panels, each k x nr row-major, the last padded with zero columns. Elements (floats) needed.
size_t ck_gemm_packed_size(size_t k, size_t n);
/// Packs the panels [panel_begin, panel_end) of B[k][n], element (p, j) at b[p * row_stride + j * col_stride] (transposed:
/// swap the strides). Belongs to the tier it was made in.
void ck_gemm_pack_b(float *packed, const CK_U(float) *b, ptrdiff_t row_stride, ptrdiff_t col_stride, size_t k, size_t n,
                    size_t panel_begin, size_t panel_end);

/// Bytes of scratch that one call of `ck_gemm_packed_f32` over m rows of A needs (any alignment; each thread its own).
size_t ck_gemm_scratch_bytes(size_t m, ptrdiff_t a_row, ptrdiff_t a_col);
/// C[m_begin..<m_end][n_begin..<n_end] of C = A B with the epilogue. A element (i, p) at a[i * a_row + p * a_col]; C row
/// stride ldc; n_begin is a multiple of nr, n_end is too or equals n. Sums run over blocks of k in float: the relative
/// error against sum |a||b| is at most about (256 + k/256) * 2^-24. The bits do not depend on the split.
void ck_gemm_packed_f32(float *c, size_t ldc, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col, const CK_U(float) *packed_b,
                        size_t n, size_t k, size_t m_begin, size_t m_end, size_t n_begin, size_t n_end,
                        const ck_gemm_epilogue *_Nullable epilogue, void *scratch);

/// A matrix A that is written block by block when it is needed: `copy` puts rows [row, row + rows) x columns
/// [k, k + depth) to `to`, `stride` floats a row.
typedef struct ck_gemm_rows {
    void (*copy)(const void *context, float *to, size_t stride, size_t row, size_t rows, size_t k, size_t depth);
    const void *context;
} ck_gemm_rows;

/// `ck_gemm_packed_f32` over such an A.
void ck_gemm_rows_f32(float *c, size_t ldc, const ck_gemm_rows *rows, const CK_U(float) *packed_b, size_t k, size_t m_begin,
                      size_t m_end, size_t n_begin, size_t n_end, const ck_gemm_epilogue *_Nullable epilogue, void *scratch);
size_t ck_gemm_rows_scratch_bytes(size_t m);

/// Depth of one block of packed A.
enum { CK_GEMM_DEPTH = 256 };
/// Packs all of A[m][k], element (i, p) at a[i * a_row + p * a_col], into m * k floats: blocks of CK_GEMM_DEPTH along k, in
/// each the rows one after the other. Block p0, row i begins at packed + p0 * m + i * depth, where depth is
/// the block's own. The same in every tier.
void ck_gemm_pack_a(float *packed, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col, size_t m, size_t k);
/// One block of a product with both sides packed: C[m][n] = (accumulate ? C : 0) + A B, then the epilogue's bias, residual
/// and activation (alpha and beta are not looked at; `residual` is not C). k <= CK_GEMM_DEPTH.
void ck_gemm_panels_f32(float *c, size_t ldc, const CK_U(float) *packed_a, const CK_U(float) *packed_b, size_t m, size_t n, size_t k,
                        bool accumulate, const ck_gemm_epilogue *_Nullable epilogue);

/// Rows [row_begin, row_end) (row_begin a multiple of mr) x columns [col_begin, col_end) of a convolution with packed weights
/// (ck_gemm_pack_a of m x k): `out` points at the first of them, rows ldc apart. One panel of columns at a time lies on the
/// stack (32 KiB): right where the weights fit into the second-level cache. The epilogue's pointers are for row_begin and
/// col_begin.
void ck_conv_columns_f32(float *out, size_t ldc, const CK_U(float) *packed_a, size_t m, size_t row_begin, size_t row_end,
                         const CK_U(float) *in, const ck_window *window, size_t k, size_t col_begin, size_t col_end,
                         bool accumulate, const ck_gemm_epilogue *_Nullable epilogue);

/// y[i] = sum_p a[i * lda + p] x[p] for i in [begin, end): rows contiguous.
void ck_gemv_rows_f32(float *y, const CK_U(float) *a, size_t lda, const CK_U(float) *x, size_t k, size_t begin, size_t end);
/// y[j] = sum_p x[p] b[p * ldb + j] for j in [begin, end): B as stored, unpacked.
void ck_gemv_cols_f32(float *y, const CK_U(float) *x, const CK_U(float) *b, size_t ldb, size_t k, size_t begin, size_t end);

/// C[i][j] = sum_p A[i][p] B[p][j] for i in [m_begin, m_end), all j < n; element strides for both axes of all three.
/// The portable contraction: blocked, no packing by the caller, about 48 KiB of stack.
/// `_dacc` accumulates in double (correctly rounded to about 1 ulp), `_f32` in float.
void ck_contract_f32(float *c, ptrdiff_t c_row, ptrdiff_t c_col, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col,
                     const CK_U(float) *b, ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin, size_t m_end);
void ck_contract_f32_dacc(float *c, ptrdiff_t c_row, ptrdiff_t c_col, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col,
                          const CK_U(float) *b, ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin,
                          size_t m_end);
void ck_contract_f64(double *c, ptrdiff_t c_row, ptrdiff_t c_col, const CK_U(double) *a, ptrdiff_t a_row, ptrdiff_t a_col,
                     const CK_U(double) *b, ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin, size_t m_end);
/// Wraps around like the hardware's 32-bit integers.
void ck_contract_i32(int32_t *c, ptrdiff_t c_row, ptrdiff_t c_col, const CK_U(int32_t) *a, ptrdiff_t a_row, ptrdiff_t a_col,
                     const CK_U(int32_t) *b, ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin,
                     size_t m_end);
void ck_contract_i64(int64_t *c, ptrdiff_t c_row, ptrdiff_t c_col, const CK_U(int64_t) *a, ptrdiff_t a_row, ptrdiff_t a_col,
                     const CK_U(int64_t) *b, ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin,
                     size_t m_end);

#pragma clang assume_nonnull end
#endif
