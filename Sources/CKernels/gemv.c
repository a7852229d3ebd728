// float32 matrix-vector products over a matrix as it is stored.
#ifndef CK_TIER
#include "include/ck_gemm.h"
#include "internal.h"

/// Columns of a matrix as stored: from how many on rows are read as runs, and how many sums wait meanwhile (64 KiB).
enum { NARROW = 128, WIDE = 16384 };

#define CK_SELF "gemv.c"
#include "tiers.h"

void ck_gemv_rows_f32(float *y, const CK_U(float) *a, size_t lda, const CK_U(float) *x, size_t k, size_t begin, size_t end) {
    CK_CALL(gemv_rows, y, a, lda, x, k, begin, end);
}

void ck_gemv_cols_f32(float *y, const CK_U(float) *x, const CK_U(float) *b, size_t ldb, size_t k, size_t begin, size_t end) {
    CK_CALL(gemv_cols, y, x, b, ldb, k, begin, end);
}

#else

static void T(gemv_rows)(float *y, const CK_U(float) *a, size_t lda, const CK_U(float) *x, size_t k, size_t begin, size_t end) {
    for (size_t i = begin; i < end; i += 4) {
        const size_t rows = ck_min(4, end - i);
        const CK_U(float) *r[4];
        vf acc[4][2];
        for (size_t q = 0; q < 4; q++) {
            r[q] = a + (i + ck_min(q, rows - 1)) * lda;
            acc[q][0] = acc[q][1] = VS(0);
        }
        size_t p = 0;
        for (; p + 2 * W <= k; p += 2 * W) {
            const vf x0 = LD(x + p), x1 = LD(x + p + W);
#pragma clang loop unroll(full)
            for (int q = 0; q < 4; q++) {
                acc[q][0] = VFMA(LD(r[q] + p), x0, acc[q][0]);
                acc[q][1] = VFMA(LD(r[q] + p + W), x1, acc[q][1]);
            }
        }
        for (; p < k; p += W) {
            const size_t left = ck_min(W, k - p);
            const vf x0 = left == W ? LD(x + p) : LDN(x + p, left);
            for (int q = 0; q < 4; q++) acc[q][0] = VFMA(left == W ? LD(r[q] + p) : LDN(r[q] + p, left), x0, acc[q][0]);
        }
        for (size_t q = 0; q < rows; q++) y[i + q] = vhsum(acc[q][0] + acc[q][1]);
    }
}

/// y[j] += the sum of x[r] b[r * ldb + j] over `rows` rows, in their order, for j in [begin, end).
static inline __attribute__((always_inline)) void T(add_rows)(const int rows, float *y, const CK_U(float) *x, const CK_U(float) *b,
                                                              size_t ldb, size_t begin, size_t end) {
    vf factor[8];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) factor[r] = VS(x[r]);
    size_t j = begin;
    for (; j + W <= end; j += W) {
        vf sum = LD(y + j);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) sum = VFMA(factor[r], LD(b + (size_t)r * ldb + j), sum);
        ST(y + j, sum);
    }
    if (j == end) return;
    vf sum = LDN(y + j, end - j);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) sum = VFMA(factor[r], LDN(b + (size_t)r * ldb + j, end - j), sum);
    STN(y + j, sum, end - j);
}

/// Eight rows at a time, so that memory is read as eight long runs: strips would touch a page for 8 W columns of each row, and neither
/// the prefetcher nor the translation of addresses keeps up with that. Sums wait in the second-level cache.
static void T(gemv_wide)(float *y, const CK_U(float) *x, const CK_U(float) *b, size_t ldb, size_t k, size_t begin, size_t end) {
    for (size_t j = begin; j < end; j += WIDE) {
        const size_t to = ck_min(end, j + WIDE);
        memset(y + j, 0, (to - j) * sizeof *y);
        size_t p = 0;
        for (; p + 8 <= k; p += 8) T(add_rows)(8, y, x + p, b + p * ldb, ldb, j, to);
        for (; p < k; p++) T(add_rows)(1, y, x + p, b + p * ldb, ldb, j, to);
    }
}

/// Columns of `vectors` vectors, `left` of the last one, over all rows; the fourth next row is fetched meanwhile.
static inline __attribute__((always_inline)) void T(strip)(const int vectors, size_t left, float *y, const CK_U(float) *x, const CK_U(float) *b,
                                                           size_t ldb, size_t k) {
    const int whole = left == W ? vectors : vectors - 1;
    vf sum[8];
#pragma clang loop unroll(full)
    for (int q = 0; q < vectors; q++) sum[q] = VS(0);
    for (size_t p = 0; p < k; p++, b += ldb) {
        const vf factor = VS(x[p]);
#pragma clang loop unroll(full)
        for (int q = 0; q < vectors; q++) {
            if (q % (16 / W) == 0) __builtin_prefetch((const char *)b + (4 * ldb + (size_t)q * W) * sizeof *b);
            sum[q] = VFMA(factor, q < whole ? LD(b + q * W) : LDN(b + q * W, left), sum[q]);
        }
    }
    for (int q = 0; q < whole; q++) ST(y + q * W, sum[q]);
    if (whole < vectors) STN(y + whole * W, sum[vectors - 1], left);
}

static void T(gemv_cols)(float *y, const CK_U(float) *x, const CK_U(float) *b, size_t ldb, size_t k, size_t begin, size_t end) {
    if (end - begin >= NARROW) {
        T(gemv_wide)(y, x, b, ldb, k, begin, end);
        return;
    }
    size_t j = begin;
    for (; j + 8 * W <= end; j += 8 * W) T(strip)(8, W, y + j, x, b + j, ldb, k);
    if (j >= end) return;
    const size_t vectors = (end - j + W - 1) / W, left = end - j - (vectors - 1) * W;
    switch (vectors) {
#define CASE(n) \
    case n: T(strip)(n, left, y + j, x, b + j, ldb, k); break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
    default: break;
    }
}

#endif
