// The portable contraction: rows of A against a block of B copied to the stack, sums in registers.
#ifndef CK_TIER
#include "include/ck_gemm.h"
#include "internal.h"

enum { NB = 64, MB = 32 };  // columns and rows of a block

#define CK_SELF "contract.c"
#include "tiers.h"

#define PUBLIC(name, type, io)                                                                                            \
    void ck_##name(type *c, ptrdiff_t c_row, ptrdiff_t c_col, const CK_U(type) *a, ptrdiff_t a_row, ptrdiff_t a_col,           \
                   const CK_U(type) *b, ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin, size_t m_end) { \
        CK_CALL(name, (io *)c, c_row, c_col, (const CK_U(io) *)a, a_row, a_col, (const CK_U(io) *)b, b_row, b_col, n, k, m_begin, m_end);                       \
    }
PUBLIC(contract_f32, float, float)
PUBLIC(contract_f32_dacc, float, float)
PUBLIC(contract_f64, double, double)
PUBLIC(contract_i32, int32_t, uint32_t)
PUBLIC(contract_i64, int64_t, uint64_t)

#else

// The accumulators of 4 rows x 2 vectors stay in registers over a block of k; `lanes` is the vector length of `acc_t`.
#define CONTRACT(name, io_t, acc_t, lanes, kb)                                                                          \
    static void T(name)(io_t *c, ptrdiff_t c_row, ptrdiff_t c_col, const CK_U(io_t) *a, ptrdiff_t a_row, ptrdiff_t a_col,     \
                        const CK_U(io_t) *b, ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin,            \
                        size_t m_end) {                                                                                 \
        typedef acc_t va __attribute__((ext_vector_type(lanes)));                                                       \
        typedef io_t vio __attribute__((ext_vector_type(lanes)));                                                       \
        io_t block[(kb) * NB] __attribute__((aligned(64)));                                                             \
        acc_t sums[MB * NB] __attribute__((aligned(64)));                                                               \
        for (size_t j0 = 0; j0 < n; j0 += NB) {                                                                         \
            const size_t cols = ck_min(NB, n - j0), wide = ck_round_up(cols, 2 * (lanes));                              \
            for (size_t i0 = m_begin; i0 < m_end; i0 += MB) {                                                           \
                const size_t rows = ck_min(MB, m_end - i0);                                                             \
                memset(sums, 0, sizeof sums);                                                                           \
                for (size_t p0 = 0; p0 < k; p0 += (kb)) {                                                               \
                    const size_t depth = ck_min((kb), k - p0);                                                          \
                    const CK_U(io_t) *src = b + (ptrdiff_t)p0 * b_row + (ptrdiff_t)j0 * b_col;                                \
                    for (size_t p = 0; p < depth; p++) {                                                                \
                        for (size_t j = 0; j < cols; j++)                                                               \
                            block[p * NB + j] = src[(ptrdiff_t)p * b_row + (ptrdiff_t)j * b_col];                       \
                        for (size_t j = cols; j < wide; j++) block[p * NB + j] = 0;                                     \
                    }                                                                                                   \
                    for (size_t i = 0; i < rows; i += 4) {                                                              \
                        const CK_U(io_t) *r[4];                                                                               \
                        for (size_t q = 0; q < 4; q++)                                                                  \
                            r[q] = a + (ptrdiff_t)(i0 + ck_min(i + q, rows - 1)) * a_row + (ptrdiff_t)p0 * a_col;       \
                        for (size_t j = 0; j < wide; j += 2 * (lanes)) {                                                \
                            va acc[4][2];                                                                               \
                            for (int q = 0; q < 4; q++) {                                                               \
                                acc[q][0] = *(va *)(sums + (i + q) * NB + j);                                           \
                                acc[q][1] = *(va *)(sums + (i + q) * NB + j + (lanes));                                 \
                            }                                                                                           \
                            for (size_t p = 0; p < depth; p++) {                                                        \
                                const va b0 = __builtin_convertvector(*(vio *)(block + p * NB + j), va);                \
                                const va b1 = __builtin_convertvector(*(vio *)(block + p * NB + j + (lanes)), va);      \
                                for (int q = 0; q < 4; q++) {                                                           \
                                    const va x = (va)(acc_t)r[q][(ptrdiff_t)p * a_col];                                 \
                                    acc[q][0] += x * b0;                                                                \
                                    acc[q][1] += x * b1;                                                                \
                                }                                                                                       \
                            }                                                                                           \
                            for (int q = 0; q < 4; q++) {                                                               \
                                *(va *)(sums + (i + q) * NB + j) = acc[q][0];                                           \
                                *(va *)(sums + (i + q) * NB + j + (lanes)) = acc[q][1];                                 \
                            }                                                                                           \
                        }                                                                                               \
                    }                                                                                                   \
                }                                                                                                       \
                for (size_t i = 0; i < rows; i++) {                                                                     \
                    for (size_t j = 0; j < cols; j++)                                                                   \
                        c[(ptrdiff_t)(i0 + i) * c_row + (ptrdiff_t)(j0 + j) * c_col] = (io_t)sums[i * NB + j];          \
                }                                                                                                       \
            }                                                                                                           \
        }                                                                                                               \
    }

CONTRACT(contract_f32, float, float, W, 128)
CONTRACT(contract_f32_dacc, float, double, WD, 128)
CONTRACT(contract_f64, double, double, WD, 64)
CONTRACT(contract_i32, uint32_t, uint32_t, W, 128)
CONTRACT(contract_i64, uint64_t, uint64_t, WD, 64)

#undef CONTRACT
#endif
