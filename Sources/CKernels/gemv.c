// float32 matrix-vector products over a matrix as it is stored.
#ifndef CK_TIER
#include "include/ck_gemm.h"
#include "internal.h"

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

static void T(gemv_cols)(float *y, const CK_U(float) *x, const CK_U(float) *b, size_t ldb, size_t k, size_t begin, size_t end) {
    size_t j = begin;
    for (; j + 8 * W <= end; j += 8 * W) {
        vf acc[8];
        for (int q = 0; q < 8; q++) acc[q] = VS(0);
        const CK_U(float) *row = b + j;
        for (size_t p = 0; p < k; p++, row += ldb) {
            const vf xp = VS(x[p]);
#pragma clang loop unroll(full)
            for (int q = 0; q < 8; q++) acc[q] = VFMA(xp, LD(row + q * W), acc[q]);
        }
        for (int q = 0; q < 8; q++) ST(y + j + q * W, acc[q]);
    }
    for (; j < end; j += W) {
        const size_t left = ck_min(W, end - j);
        vf acc = VS(0);
        const CK_U(float) *row = b + j;
        for (size_t p = 0; p < k; p++, row += ldb) acc = VFMA(VS(x[p]), left == W ? LD(row) : LDN(row, left), acc);
        if (left == W) {
            ST(y + j, acc);
        } else {
            STN(y + j, acc, left);
        }
    }
}

#endif
