// Products of 8-bit matrices: a tile of sums by the kernel in use (int8_sums.h), then what becomes of each sum.
#ifndef CK_TIER
#include "amx.h"
#include "include/ck_isa.h"
#include "int8.h"

#include "int8_sums.h"

static int32_t kernel_in_use = -1;

static bool has_kernel(int32_t kernel) {
    const uint32_t features = ck_isa_features();
    switch (kernel) {
    case CK_INT8_AMX: return ck_tier() == CK_TIER_AVX512 && ck_has_tiles(CK_FEATURE_AMX_INT8);
    case CK_INT8_AVX512_VNNI: return ck_tier() == CK_TIER_AVX512 && features & CK_FEATURE_AVX512_VNNI;
    case CK_INT8_AVX_VNNI: return ck_tier() >= CK_TIER_AVX2 && features & CK_FEATURE_AVX_VNNI;
    default: return true;
    }
}

int32_t ck_int8_select(int32_t kernel) {
    int32_t chosen = kernel < 0 || kernel > CK_INT8_AMX ? CK_INT8_AMX : kernel;
    while (!has_kernel(chosen)) chosen--;
    __atomic_store_n(&kernel_in_use, chosen, __ATOMIC_RELEASE);
    return chosen;
}

int32_t ck_int8_kernel(void) {
    const int32_t kernel = __atomic_load_n(&kernel_in_use, __ATOMIC_ACQUIRE);
    return kernel >= 0 ? kernel : ck_int8_select(-1);
}

const char *ck_int8_name(void) {
    static const char *const names[] = {"16-bit pairs", "avx-vnni", "avx512-vnni", "amx-int8"};
    return names[ck_int8_kernel()];
}

#define CK_SELF "int8.c"
#include "tiers.h"

void ck_int8_put(const ck_done *d, size_t begin, size_t rows, size_t row) { CK_CALL(finish, d, begin, rows, row); }

void ck_int8_product(const ck_int8_result *c, const ck_blocks *a, bool is_signed, const ck_int8_weights *b, size_t m_begin, size_t m_end,
                     size_t n_begin, size_t n_end) {
    if (m_begin >= m_end || n_begin >= n_end) return;
    int8_panel panel = {.col = SIZE_MAX};
    const int8_target target = {c, b, is_signed, &panel};
    const size_t element = c->type == CK_INT8_INT32 || c->type == CK_INT8_FLOAT ? 4 : 1;
    ck_product product = {.to = &target, .c = c->c, .ldc = c->ldc * element, .element = element, .packed = b->packed,
                          .count = b->depth / CK_STEP, .columns = b->n};
    switch (ck_int8_kernel()) {
#if CK_X86
    case CK_INT8_AMX: product.sums = sums_amx, product.finish = finish_avx512, product.tile_rows = 32, product.overlaps = true; break;
    case CK_INT8_AVX512_VNNI: product.sums = sums_vnni, product.finish = finish_avx512, product.tile_rows = 14, product.joins_lines = true; break;
    case CK_INT8_AVX_VNNI: product.sums = sums_avx_vnni, product.finish = finish_avx2, product.tile_rows = 3; break;
#endif
    default: CK_CALL(with_pairs, &product); break;
    }
    ck_product_run(&product, a, m_begin, m_end, n_begin, n_end);
#if CK_X86
    if (product.overlaps) ck_amx_close();
#endif
}

/// Rows as they stand in memory. Reading whole steps of the last ones would leave A: those are copied.
typedef struct stored {
    const ck_int8_rows *rows;
    size_t depth;
    uint8_t *copy;
} stored;

static size_t stored_next(const void *context, ck_block *block, size_t row, size_t end) {
    const stored *s = context;
    const ck_int8_rows *a = s->rows;
    const size_t more = s->depth - a->k, copied = ck_min(a->m, a->lda ? (more + a->lda - 1) / a->lda : a->m);
    const uint8_t *from = (const uint8_t *)a->a + row * a->lda;
    if (row < a->m - copied) {
        end = ck_min(end, a->m - copied);
        const size_t rows = ck_min(ck_block_rows(end - row, s->depth), end - row);
        *block = (ck_block){.a = from, .lda = a->lda, .rows = rows, .first = row};
        return row + rows;
    }
    const size_t rows = ck_min(end - row, ck_max(1, CK_STEP * CK_STEP / s->depth));
    for (size_t i = 0; i < rows; i++) {
        memcpy(s->copy + i * s->depth, from + i * a->lda, a->k);
        memset(s->copy + i * s->depth + a->k, 0, more);
    }
    *block = (ck_block){.a = s->copy, .lda = s->depth, .rows = rows, .first = row};
    return row + rows;
}

size_t ck_int8_gemm_scratch_bytes(size_t k) {
    return k > 0 && k % CK_STEP == 0 ? 0 : ck_max(CK_STEP * CK_STEP, ck_round_up(k, CK_STEP)) + CK_STEP;
}

void ck_int8_gemm(const ck_int8_result *c, const ck_int8_rows *a, const ck_int8_weights *b, size_t m_begin, size_t m_end, size_t n_begin,
                  size_t n_end, void *scratch) {
    const stored rows = {a, b->depth, (uint8_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63)};
    ck_int8_product(c, &(ck_blocks){stored_next, &rows}, a->is_signed, b, m_begin, m_end, n_begin, n_end);
}

#else

#if CK_TIER == 0
static void T(pairs)(const ck_tile *t) {
    sum_rows(t);
    const uint32_t flip = flip_of(t);
    for (size_t i = 0; i < t->rows; i++) {
        uint32_t acc[NR];
        const uint8_t *b = t->b;
        groups groups = groups_of(t);
        for (int j = 0; j < NR; j++) acc[j] = flip ? 0 - ((uint32_t)columns_of(t)[j] << 7) : 0;
        for (size_t p = 0; p < t->count; p++, b += CK_PANEL_STEP) {
            const uint8_t *a = t->a + i * t->lda + ck_step_at(t, p);
            const size_t count = next_groups(&groups);
            for (size_t g = 0; g < count; g++) {
                const uint32_t x = four_at(a + 4 * g) ^ flip;
                const int8_t *y = (const int8_t *)b + g * 4 * NR;
                for (int j = 0; j < NR; j++) {
                    acc[j] += (uint32_t)((int32_t)(x & 255) * y[4 * j] + (int32_t)(x >> 8 & 255) * y[4 * j + 1] +
                                         (int32_t)(x >> 16 & 255) * y[4 * j + 2] + (int32_t)(x >> 24) * y[4 * j + 3]);
                }
            }
        }
        memcpy((int32_t *)t->sums + i * NR, acc, sizeof acc);
    }
}
#define MR 2
#else
#if CK_TIER == 1
#define MR 4
#define VB __m256i
#define LOADB(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STOREB(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define M(name) _mm256_##name
#else
#define MR 8
#define VB __m512i
#define LOADB(p) _mm512_loadu_si512(p)
#define STOREB(p, v) _mm512_storeu_si512(p, v)
#define M(name) _mm512_##name
#endif
/// Columns [j, j + 2 W) of a tile. A lane holds four numbers of one column: those at even places times those of A, and those at odd places, as
/// 16-bit pairs, whose products' sum is exact.
static inline __attribute__((always_inline)) void T(pair_rows)(const ck_tile *t, const int rows, size_t j) {
    VB acc[MR][2];
    const uint8_t *b = t->b + 4 * j;
    const uint32_t flip = flip_of(t);
    const int32_t *columns = columns_of(t) + j;
    groups groups = groups_of(t);
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < 2; v++) acc[i][v] = flip ? M(sub_epi32)(M(set1_epi32)(0), M(slli_epi32)(LOADB(columns + v * W), 7)) : M(set1_epi32)(0);
    }
    for (size_t p = 0; p < t->count; p++, b += CK_PANEL_STEP) {
        const uint8_t *a = t->a + ck_step_at(t, p), *four = b;
#pragma clang loop unroll(disable)
        for (const uint8_t *const end = a + 4 * next_groups(&groups); a < end; a += 4, four += 4 * NR) {
            const VB b0 = LOADB(four), b1 = LOADB(four + 4 * W);
            const VB even0 = M(srai_epi16)(M(slli_epi16)(b0, 8), 8), odd0 = M(srai_epi16)(b0, 8);
            const VB even1 = M(srai_epi16)(M(slli_epi16)(b1, 8), 8), odd1 = M(srai_epi16)(b1, 8);
#pragma clang loop unroll(full)
            for (int i = 0; i < rows; i++) {
                const uint32_t x = four_at(a + (size_t)i * t->lda) ^ flip;
                const VB even = M(set1_epi32)((int32_t)(x & 0x00ff00ff)), odd = M(set1_epi32)((int32_t)(x >> 8 & 0x00ff00ff));
                acc[i][0] = M(add_epi32)(acc[i][0], M(add_epi32)(M(madd_epi16)(even, even0), M(madd_epi16)(odd, odd0)));
                acc[i][1] = M(add_epi32)(acc[i][1], M(add_epi32)(M(madd_epi16)(even, even1), M(madd_epi16)(odd, odd1)));
            }
        }
    }
    for (int i = 0; i < rows; i++) {
        STOREB((int32_t *)t->sums + i * NR + j, acc[i][0]);
        STOREB((int32_t *)t->sums + i * NR + j + W, acc[i][1]);
    }
}
#undef VB
#undef LOADB
#undef STOREB
#undef M

static void T(pairs)(const ck_tile *t) {
    sum_rows(t);
    for (size_t j = 0; j < NR; j += 2 * W) {
        switch (t->rows) {
#define CASE(r) case r: T(pair_rows)(t, r, j); break;
        CASE(1) CASE(2) CASE(3) CASE(4)
#if CK_TIER == 2
        CASE(5) CASE(6) CASE(7) CASE(8)
#endif
#undef CASE
        default: break;
        }
    }
}
#endif

#include "int8_finish.h"

static void T(with_pairs)(ck_product *product) {
    product->sums = T(pairs);
    product->finish = T(finish);
    product->tile_rows = MR;
}
#undef MR

#endif
