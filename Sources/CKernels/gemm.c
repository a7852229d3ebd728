// Packed float32 GEMM after Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication"): B comes packed in panels
// of NR columns, a register tile of MR x NR is the microkernel. A is read as it lies in memory, a broadcast an element: packing
// it would cost a pass and saves nothing where its columns are adjacent, unless its rows collide in the cache.
#ifndef CK_TIER
#include "include/ck_gemm.h"
#include "internal.h"

// A block of A is KC columns of at most MC rows; a copied row is not a multiple of 4 KiB long, so that a tile's rows share no cache set.
enum { KC = 256, MC = 280, COPY_STRIDE = KC + 16 };
static const size_t tier_mr[] = {6, 6, 14};
static const size_t tier_nr[] = {8, 16, 32};

/// Rows a multiple of 2 KiB apart share so few sets of the first-level cache that a tile's evict each other.
static bool is_read_in_place(ptrdiff_t row, ptrdiff_t col) { return col == 1 && row >= 0 && row % 512 != 0; }

#define CK_SELF "gemm.c"
#include "tiers.h"

size_t ck_gemm_nr(void) { return tier_nr[ck_tier()]; }
size_t ck_gemm_mr(void) { return tier_mr[ck_tier()]; }
size_t ck_gemm_packed_size(size_t k, size_t n) { return k * ck_round_up(n, ck_gemm_nr()); }
size_t ck_gemm_scratch_bytes(size_t m, ptrdiff_t a_row, ptrdiff_t a_col) {
    return is_read_in_place(a_row, a_col) ? 64 : ck_min(m, MC) * COPY_STRIDE * sizeof(float) + 64;
}

void ck_pack_columns(void *panel, size_t nr, const void *columns, ptrdiff_t stride, size_t width, size_t channels, size_t taps) {
    enum { BLOCK = 16 };  // rows at a time, so that a column's cache line is read once
    uint32_t *const to = panel;
    const CK_U(uint32_t) *const from = columns;
    const size_t k = channels * taps;
    size_t channel = 0, tap = 0;
    for (size_t q0 = 0; q0 < k; q0 += BLOCK) {
        const size_t rows = ck_min(BLOCK, k - q0);
        uint32_t *row[BLOCK];
        for (size_t q = 0; q < rows; q++) {
            row[q] = to + (tap * channels + channel) * nr;
            if (++tap == taps) tap = 0, channel++;
        }
        for (size_t j = 0; j < nr; j += 4) {
            const CK_U(uint32_t) *const at = from + (ptrdiff_t)j * stride + (ptrdiff_t)q0;
            size_t q = 0;
            for (; q + 4 <= rows && j + 4 <= width; q += 4) {
                uint32_t block[16];
                ck_transpose_4x4(block, 4, at + q, (size_t)stride);
                for (size_t i = 0; i < 4; i++) memcpy(row[q + i] + j, block + 4 * i, 16);
            }
            for (; q < rows; q++)
                for (size_t i = 0; i < 4; i++) row[q][j + i] = j + i < width ? at[(ptrdiff_t)i * stride + (ptrdiff_t)q] : 0;
        }
    }
}

void ck_gemm_pack_b(float *packed, const CK_U(float) *b, ptrdiff_t row_stride, ptrdiff_t col_stride, size_t k, size_t n,
                    size_t panel_begin, size_t panel_end) {
    const size_t nr = ck_gemm_nr();
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        float *dst = packed + panel * nr * k;
        const size_t j0 = panel * nr, width = ck_min(nr, n - j0);
        const CK_U(float) *src = b + (ptrdiff_t)j0 * col_stride;
        if (col_stride == 1) {
            for (size_t p = 0; p < k; p++, dst += nr) {
                memcpy(dst, src + (ptrdiff_t)p * row_stride, width * sizeof *dst);
                if (width < nr) memset(dst + width, 0, (nr - width) * sizeof *dst);
            }
            continue;
        }
        if (row_stride == 1) {
            ck_pack_columns(dst, nr, src, col_stride, width, k, 1);
            continue;
        }
        for (size_t p0 = 0; p0 < k; p0 += 16) {  // by blocks of 16 x nr, so that both sides stay in cache
            const size_t p1 = ck_min(k, p0 + 16);
            for (size_t j = 0; j < nr; j++) {
                const CK_U(float) *col = src + (ptrdiff_t)j * col_stride;
                for (size_t p = p0; p < p1; p++) dst[p * nr + j] = j < width ? col[(ptrdiff_t)p * row_stride] : 0.0f;
            }
        }
    }
}

void ck_gemm_packed_f32(float *c, size_t ldc, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col, const CK_U(float) *packed_b,
                        size_t n, size_t k, size_t m_begin, size_t m_end, size_t n_begin, size_t n_end,
                        const ck_gemm_epilogue *epilogue, void *scratch) {
    static const ck_gemm_epilogue plain = {.alpha = 1};
    if (m_begin >= m_end || n_begin >= n_end) return;
    (void)n;
    CK_CALL(gemm, c, ldc, a, a_row, a_col, NULL, packed_b, k, m_begin, m_end, n_begin, n_end, epilogue ? epilogue : &plain,
            scratch);
}

void ck_gemm_rows_f32(float *c, size_t ldc, const ck_gemm_rows *rows, const CK_U(float) *packed_b, size_t k, size_t m_begin,
                      size_t m_end, size_t n_begin, size_t n_end, const ck_gemm_epilogue *epilogue, void *scratch) {
    static const ck_gemm_epilogue plain = {.alpha = 1};
    if (m_begin >= m_end || n_begin >= n_end) return;
    CK_CALL(gemm, c, ldc, c, 0, 1, rows, packed_b, k, m_begin, m_end, n_begin, n_end, epilogue ? epilogue : &plain, scratch);
}

size_t ck_gemm_rows_scratch_bytes(size_t m) { return ck_min(m, MC) * COPY_STRIDE * sizeof(float) + 64; }

void ck_gemm_pack_a(float *packed, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col, size_t m, size_t k) {
    for (size_t k0 = 0; k0 < k; k0 += KC) {
        const size_t kc = ck_min(KC, k - k0);
        for (size_t i = 0; i < m; i++) {
            for (size_t p = 0; p < kc; p++) *packed++ = a[(ptrdiff_t)i * a_row + (ptrdiff_t)(k0 + p) * a_col];
        }
    }
}

void ck_gemm_panels_f32(float *c, size_t ldc, const CK_U(float) *packed_a, const CK_U(float) *packed_b, size_t m, size_t n, size_t k,
                        bool accumulate, const ck_gemm_epilogue *epilogue) {
    CK_CALL(gemm_panels, c, ldc, packed_a, packed_b, m, n, k, accumulate, epilogue);
}

#else

#include "gemm_finish.h"
#include "gemm_tile.h"

/// One row of A against four panels of B at once: enough independent sums to keep the units busy, four long runs through memory, each fetched
/// ahead since the processor's own prefetching stops at a page's end; each panel further ahead than the one in front of it, for panels may lie
/// a power of two apart and would keep one bank of memory busy. Sums of KC products are added up, onto `start` where that is given.
static void T(row4)(size_t k, const CK_U(float) *a, const CK_U(float) *b, size_t panel, const float *start, float *sums) {
    enum { AHEAD = 2048, APART = 1024 };
    vf sum[8];
    for (int i = 0; i < 8; i++) sum[i] = start ? LD(start + i * W) : VS(0);
    size_t p = 0;
    do {
        const size_t end = ck_min(k, p + KC);
        const bool first = p == 0 && !start;
        vf acc[8];
        for (int i = 0; i < 8; i++) acc[i] = VS(0);
        for (; p < end; p++, b += NR) {
            const vf x = VS(a[p]);
#pragma clang loop unroll(full)
            for (int i = 0; i < 4; i++) {
                const CK_U(float) *line = b + (size_t)i * panel;
#pragma clang loop unroll(full)
                for (int at = 0; at < NR * 4; at += 64) __builtin_prefetch((const char *)line + AHEAD + i * APART + at);
                acc[2 * i] = VFMA(x, LD(line), acc[2 * i]);
                acc[2 * i + 1] = VFMA(x, LD(line + W), acc[2 * i + 1]);
            }
        }
        for (int i = 0; i < 8; i++) sum[i] = first ? acc[i] : sum[i] + acc[i];
    } while (p < k);
    for (int i = 0; i < 8; i++) ST(sums + i * W, sum[i]);
}

/// Rows of a block of A for the tiles: in place, or copied into `pack`.
typedef struct T(rows_of_a) {
    const CK_U(float) *at;
    size_t stride;
} T(rows_of_a);

/// A as a matrix in memory, or, where `source` is set, as rows that it writes.
typedef struct T(matrix) {
    const CK_U(float) *a;
    ptrdiff_t row, col;
    const ck_gemm_rows *source;
} T(matrix);

static T(rows_of_a) T(block_of_a)(float *pack, T(matrix) m, size_t m0, size_t rows, size_t k0, size_t k) {
    if (m.source) {
        m.source->copy(m.source->context, pack, COPY_STRIDE, m0, rows, k0, k);
        return (T(rows_of_a)){pack, COPY_STRIDE};
    }
    const ptrdiff_t row = m.row, col = m.col;
    const CK_U(float) *a = m.a + (ptrdiff_t)m0 * row + (ptrdiff_t)k0 * col;
    if (is_read_in_place(row, col) || (col == 1 && rows == 1)) return (T(rows_of_a)){a, (size_t)row};
    for (size_t i = 0; col == 1 && i < rows; i++) memcpy(pack + i * COPY_STRIDE, a + (ptrdiff_t)i * row, k * sizeof *pack);
    if (col == 1) return (T(rows_of_a)){pack, COPY_STRIDE};
    for (size_t p0 = 0; p0 < k; p0 += 16) {
        const size_t p1 = ck_min(k, p0 + 16);
        for (size_t i = 0; i < rows; i++) {
            const CK_U(float) *line = a + (ptrdiff_t)i * row;
            for (size_t p = p0; p < p1; p++) pack[i * COPY_STRIDE + p] = line[(ptrdiff_t)p * col];
        }
    }
    return (T(rows_of_a)){pack, COPY_STRIDE};
}

/// One tile over all of k into `local`, then to C: where sums may not lie in C in between.
static void T(whole_sums)(float *c, size_t ldc, T(matrix) a, const CK_U(float) *packed, size_t k,
                          size_t m0, size_t rows, size_t n_begin, size_t n_end, const ck_gemm_epilogue *e, float *pack) {
    float local[MR * NR];
    for (size_t i = 0; i < rows; i += MR) {
        const size_t m = ck_min(MR, rows - i);
        for (size_t j = n_begin; j < n_end; j += NR) {
            for (size_t p = 0; p < k; p += KC) {
                const size_t kc = ck_min(KC, k - p);
                const T(rows_of_a) block = T(block_of_a)(pack, a, m0 + i, m, p, kc);
                T(tile_any)(m, n_end - j, kc, block.at, block.stride, packed + j * k + p * NR, local, NR, p == 0, NULL,
                                packed + j * k + (p + kc) * NR);
            }
            T(finish)(e, local, NR, c + (m0 + i) * ldc + j, ldc, m, ck_min(NR, n_end - j), m0 + i, j);
        }
    }
}

static void T(gemm)(float *c, size_t ldc, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col, const ck_gemm_rows *source,
                    const CK_U(float) *packed, size_t k, size_t m_begin, size_t m_end, size_t n_begin, size_t n_end,
                    const ck_gemm_epilogue *given, void *scratch) {
    const T(matrix) matrix = {a, a_row, a_col, source};
    ck_gemm_epilogue own = *given;
    const ck_gemm_epilogue *e = &own;
    // Over its own residual the sum starts from what lies in C.
    const bool over = own.residual == c && own.residual_stride == ldc && own.alpha == 1 && own.beta == 0 && !own.act_first;
    if (over) own.residual = NULL;
    const bool plain = e->alpha == 1 && e->beta == 0 && !e->bias_col && !e->bias_row && !e->residual &&
                       e->act.op == CK_UNARY_NONE;
    if (m_end - m_begin == 1 && !source && a_col == 1) {
        for (; n_begin + 4 * NR <= n_end; n_begin += 4 * NR) {
            float sums[4 * NR], *dst = c + m_begin * ldc + n_begin;
            T(row4)(k, a + (ptrdiff_t)m_begin * a_row, packed + n_begin * k, NR * k, over ? dst : NULL, sums);
            for (size_t q = 0; q < 4; q++)
                T(finish)(e, sums + q * NR, NR, dst + q * NR, ldc, 1, NR, m_begin, n_begin + q * NR);
        }
        if (n_begin == n_end) return;
    }
    float *pack = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    // Sums may live in C between blocks of k only where nothing else is read from there.
    const bool in_c = plain || (e->beta == 0 && e->residual != c);
    // What the tiles can do before they store; the rest takes another round over the result.
    const int32_t op = e->act.op;
    const bool direct = !plain && e->alpha == 1 && e->beta == 0 && !e->bias_row && !(e->residual && e->act_first) &&
                        (op == CK_UNARY_NONE || op == CK_UNARY_RELU || op == CK_UNARY_CLIP || op == CK_UNARY_HARD_SWISH);
    const float low = op == CK_UNARY_RELU ? 0.0f : op == CK_UNARY_CLIP ? e->act.p0 : -INFINITY;
    const float high = op == CK_UNARY_CLIP ? e->act.p1 : INFINITY;
    float local[MR * NR];
    const size_t blocks = (m_end - m_begin + MC - 1) / MC;
    for (size_t block = 0; block < blocks; block++) {
        const size_t m0 = m_begin + (m_end - m_begin) * block / blocks;
        const size_t rows = m_begin + (m_end - m_begin) * (block + 1) / blocks - m0;
        // Tiles of even height: a low one at the end would wait for its sums.
        const size_t tiles = (rows + MR - 1) / MR;
        if (!in_c && k > KC) {
            T(whole_sums)(c, ldc, matrix, packed, k, m0, rows, n_begin, n_end, e, pack);
            continue;
        }
        size_t k0 = 0;
        do {
            const size_t kc = ck_min(KC, k - k0);
            const bool first = k0 == 0 && !over, last = k0 + kc == k;
            const T(rows_of_a) left = T(block_of_a)(pack, matrix, m0, rows, k0, kc);
            for (size_t j = n_begin; j < n_end;) {
                const CK_U(float) *b = packed + j * k + k0 * NR;
                // The panel that comes next, fetched by the first four tiles: all of it, where there are so many.
                const CK_U(float) *next = j + NR < n_end ? b + k * NR : last ? b : packed + n_begin * k + (k0 + kc) * NR;
                if (rows == 1 && n_end - j >= 4 * NR) {
                    float *dst = c + m0 * ldc + j;
                    if (!in_c) {
                        float sums[4 * NR];
                        T(row4)(kc, left.at, b, NR * k, NULL, sums);
                        for (size_t q = 0; q < 4; q++) T(finish)(e, sums + q * NR, NR, dst + q * NR, ldc, 1, NR, m0, j + q * NR);
                    } else {
                        T(row4)(kc, left.at, b, NR * k, first ? NULL : dst, dst);
                        for (size_t q = 0; last && !plain && q < 4; q++)
                            T(finish)(e, dst + q * NR, ldc, dst + q * NR, ldc, 1, NR, m0, j + q * NR);
                    }
                    j += 4 * NR;
                    continue;
                }
                const size_t cols = ck_min(NR, n_end - j);
                for (size_t tile = 0; tile < tiles; tile++) {
                    const size_t i = rows * tile / tiles, m = rows * (tile + 1) / tiles - i;
                    const CK_U(float) *ahead = tile < 4 ? next + tile * (kc / 2) * 16 : b;
                    float *dst = c + (m0 + i) * ldc + j;
                    const CK_U(float) *from = left.at + i * left.stride;
                    if (!in_c) {
                        T(tile_any)(m, cols, kc, from, left.stride, b, local, NR, true, NULL, ahead);
                        T(finish)(e, local, NR, dst, ldc, m, cols, m0 + i, j);
                        continue;
                    }
                    T(tail) tail = {e->bias_col ? e->bias_col + j : NULL,
                                    e->residual ? e->residual + (m0 + i) * e->residual_stride + j : NULL,
                                    e->residual_stride, low, high, e->act.op == CK_UNARY_HARD_SWISH};
                    T(tile_any)(m, cols, kc, from, left.stride, b, dst, ldc, first, last && direct ? &tail : NULL, ahead);
                    if (last && !plain && !direct) T(finish)(e, dst, ldc, dst, ldc, m, cols, m0 + i, j);
                }
                j += cols;
            }
            k0 += kc;
        } while (k0 < k);
    }
}

static void T(gemm_panels)(float *c, size_t ldc, const CK_U(float) *packed_a, const CK_U(float) *packed_b, size_t m, size_t n, size_t k,
                           bool accumulate, const ck_gemm_epilogue *e) {
    ck_gemm_epilogue rest = {.alpha = 1};
    if (e) rest = *e;
    rest.alpha = 1;
    rest.beta = 0;
    const bool plain = !rest.bias_col && !rest.bias_row && !rest.residual && rest.act.op == CK_UNARY_NONE;
    for (size_t j = 0; j < n; j += NR) {
        const CK_U(float) *b = packed_b + j * k;
        const size_t cols = ck_min(NR, n - j);
        for (size_t i = 0; i < m; i += MR) {
            const size_t rows = ck_min(MR, m - i);
            float *dst = c + i * ldc + j;
            T(tile_any)(rows, cols, k, packed_a + i * k, k, b, dst, ldc, !accumulate, NULL, b);
            if (!plain) T(finish)(&rest, dst, ldc, dst, ldc, rows, cols, i, j);
        }
    }
}

#undef MR
#undef NR
#endif
