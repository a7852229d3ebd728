// Products of bfloat16: a tile of sums is made over a block of k by the kernel in use, then added to C in float32.
#ifndef CK_TIER
#include "amx.h"
#include "bf16.h"
#include "include/ck_isa.h"
#include "internal.h"

enum { NR = CK_BF16_COLUMNS, FEW = 4 };

#include "bf16_sums.h"

static int32_t kernel_in_use = -1;

static int32_t best_kernel(void) {
#if CK_X86
    if (ck_tier() == CK_TIER_AVX512) {
        if (ck_has_tiles(CK_FEATURE_AMX_BF16)) return CK_BF16_AMX;
        if (ck_isa_features() & CK_FEATURE_AVX512_BF16) return CK_BF16_AVX512;
    }
#endif
    return CK_BF16_WIDENED;
}

int32_t ck_bf16_select(int32_t kernel) {
    const int32_t best = best_kernel();
    int32_t chosen = kernel < 0 || kernel > best ? best : kernel;
#if CK_X86
    if (chosen == CK_BF16_AVX512 && !(ck_isa_features() & CK_FEATURE_AVX512_BF16)) chosen = CK_BF16_WIDENED;
#endif
    __atomic_store_n(&kernel_in_use, chosen, __ATOMIC_RELEASE);
    return chosen;
}

int32_t ck_bf16_kernel(void) {
    const int32_t kernel = __atomic_load_n(&kernel_in_use, __ATOMIC_ACQUIRE);
    return kernel >= 0 ? kernel : ck_bf16_select(-1);
}

bool ck_bf16_is_fast(void) {
    const int32_t kernel = ck_bf16_kernel();
    return kernel == CK_BF16_AMX || (kernel == CK_BF16_AVX512 && (ck_isa_features() & CK_FEATURE_AVX512_BF16_FAST));
}

const char *ck_bf16_name(void) {
    static const char *const names[] = {"widened", "avx512-bf16", "amx-bf16"};
    return names[ck_bf16_kernel()];
}

#define CK_SELF "bf16.c"
#include "tiers.h"

void ck_bf16_product(const ck_bf16_result *c, const ck_blocks *a, const uint16_t *packed, size_t m, size_t k, size_t m_begin, size_t m_end,
                     size_t n_begin, size_t n_end) {
    if (m_begin >= m_end || n_begin >= n_end) return;
    k = ck_round_up(k, CK_BF16_DEPTH);
#if CK_X86
    const int32_t kernel = ck_bf16_kernel();
    const bool has_dp = (ck_isa_features() & CK_FEATURE_AVX512_BF16) != 0;
    // By the rows of the whole product: how it is split must not change the order of a sum.
    if (kernel == CK_BF16_AMX && (m > 1 || !has_dp)) {
        bf16_gemm_avx512(c, a, packed, k, m_begin, m_end, n_begin, n_end, sums_amx, 32, true);
        ck_amx_close();
        return;
    }
    if (kernel != CK_BF16_WIDENED)
        return bf16_gemm_avx512(c, a, packed, k, m_begin, m_end, n_begin, n_end, m > FEW ? sums_dp : sums_few, 14, false);
#else
    (void)m;
#endif
    CK_CALL(bf16_widened, c, a, packed, k, m_begin, m_end, n_begin, n_end);
}

/// Rows as they stand in memory.
typedef struct stored {
    const uint16_t *a;
    size_t lda, k;
} stored;

static size_t stored_block(const void *context, ck_block *block, size_t row, size_t end) {
    const stored *s = context;
    const size_t rows = ck_min(ck_block_rows(end - row, 2 * s->k), end - row);
    *block = (ck_block){.a = (const uint8_t *)(s->a + row * s->lda), .lda = 2 * s->lda, .rows = rows, .first = row};
    return row + rows;
}

void ck_bf16_gemm(const ck_bf16_result *c, const uint16_t *a, size_t lda, const uint16_t *packed, size_t m, size_t k, size_t m_begin,
                  size_t m_end, size_t n_begin, size_t n_end) {
    const stored rows = {a, lda, ck_round_up(k, CK_BF16_DEPTH)};
    ck_bf16_product(c, &(ck_blocks){stored_block, &rows}, packed, m, k, m_begin, m_end, n_begin, n_end);
}

#else

#include "gemm_finish.h"

#if CK_TIER == 2
#define MR 14
#elif CK_TIER == 1
#define MR 3
#else
#define MR 2
#endif
#define VECTORS (NR / W)

/// Pairs of bfloat16 as two float32 each: the upper half of its bits.
static inline __attribute__((always_inline)) void T(wide_rows)(const ck_tile *t, const int rows) {
    vf acc[MR][VECTORS];
    const uint16_t *b = (const uint16_t *)(const void *)t->b;
    const size_t lda = t->lda / 2;
    float *sums = t->sums;
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < VECTORS; v++) acc[i][v] = VS(0);
    }
    for (size_t p = 0; p < t->count; p++) {
        const uint16_t *a = row_at(t, p);
#pragma clang loop unroll(disable)
        for (const uint16_t *const end = a + 32; a < end; a += 2, b += 2 * NR) {
#pragma clang loop unroll(full)
            for (int v = 0; v < VECTORS; v++) {
                const vu pairs = (vu)LDI((const int32_t *)(const void *)b + v * W);
                const vf even = (vf)(pairs << 16), odd = (vf)(pairs & 0xffff0000);
#pragma clang loop unroll(full)
                for (int i = 0; i < rows; i++) {
                    const uint32_t x = pair_at(a + (size_t)i * lda);
                    acc[i][v] = VFMA(VS(widened(x << 16)), even, acc[i][v]);
                    acc[i][v] = VFMA(VS(widened(x & 0xffff0000)), odd, acc[i][v]);
                }
            }
        }
    }
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < VECTORS; v++) ST(sums + i * NR + v * W, acc[i][v]);
    }
}

static void T(wide_sums)(const ck_tile *t) {
    switch (t->rows) {
#define CASE(r) case r: T(wide_rows)(t, r); break;
    CASE(1) CASE(2)
#if CK_TIER > 0
    CASE(3)
#endif
#if CK_TIER == 2
    CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
#undef CASE
    default: break;
    }
}

typedef uint16_t T(halves) __attribute__((ext_vector_type(W), aligned(2), may_alias));
typedef uint16_t T(whole_halves) __attribute__((ext_vector_type(W)));

#if CK_TIER == 2
_Static_assert(VECTORS == 2, "a tile's row is two vectors");
#endif

/// What an epilogue does that a tile can do on its way to memory: + bias[column] + residual, then this activation, most often a clamp.
typedef struct T(simple) {
    vf low, high, p0, p1;
    int32_t op;  ///< CK_UNARY_NONE where it is a clamp
    bool is_native;
} T(simple);

/// False where the epilogue asks for more.
static bool T(is_simple)(const ck_gemm_epilogue *e, bool has_residual, T(simple) * simple) {
    const int32_t op = e->act.op;
    simple->low = VS(op == CK_UNARY_RELU ? 0.0f : op == CK_UNARY_CLIP ? e->act.p0 : -INFINITY);
    simple->high = VS(op == CK_UNARY_CLIP ? e->act.p1 : INFINITY);
    simple->p0 = VS(e->act.p0);
    simple->p1 = VS(e->act.p1);
    simple->is_native = ck_bf16_kernel() != CK_BF16_WIDENED && (ck_isa_features() & CK_FEATURE_AVX512_BF16);
    simple->op = op == CK_UNARY_RELU || op == CK_UNARY_CLIP ? CK_UNARY_NONE : op;
    return e->alpha == 1 && !e->bias_row && !(has_residual && e->act_first) && (op == CK_UNARY_NONE || ck_is_vector_activation(op));
}

/// Two vectors of sums rounded to neighbouring bfloat16; `is_native`: by the processor, which takes denormals for zero.
static inline __attribute__((always_inline)) void T(put_narrow)(uint16_t *to, const vf *x, bool is_native) {
#if CK_TIER == 2
    if (is_native) {
        __m512i both;
        __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"((__m512)x[0]), "v"((__m512)x[1]));
        _mm512_storeu_si512(to, both);
        return;
    }
#else
    (void)is_native;
#endif
#pragma clang loop unroll(full)
    for (int v = 0; v < VECTORS; v++) {
        const vu bits = (vu)x[v], nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
        const vu is_nan = (vu)(x[v] != x[v]);
        *(T(halves) *)(to + v * W) = __builtin_convertvector((is_nan & quiet) | (~is_nan & nearest), T(whole_halves));
    }
}

/// A tile of NR columns to C, both of a kind known to the compiler.
static inline __attribute__((always_inline)) void T(put)(const bool narrow, const int residual, const ck_bf16_result *to, const T(simple) * s,
                                                         const vf *bias, const float *sums, size_t rows, size_t row, size_t col) {
    const ck_gemm_epilogue *e = &to->epilogue;
    for (size_t i = 0; i < rows; i++) {
        vf x[VECTORS];
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) {
            x[v] = LD(sums + i * NR + v * W) + bias[v];
            if (residual == 1) x[v] += LD(e->residual + (row + i) * e->residual_stride + col + v * W);
            if (residual == 2) {
                const T(halves) bits = *(const T(halves) *)(to->residual + (row + i) * to->residual_stride + col + v * W);
                x[v] += (vf)(__builtin_convertvector((T(whole_halves))bits, vu) << 16);
            }
            x[v] = s->op == CK_UNARY_NONE ? vclamp(x[v], s->low, s->high) : vactivate(s->op, x[v], s->p0, s->p1);
            if (!narrow) ST((float *)to->c + (row + i) * to->ldc + col + v * W, x[v]);
        }
        if (narrow) T(put_narrow)((uint16_t *)to->c + (row + i) * to->ldc + col, x, s->is_native);
    }
}

/// A tile's sums to C through the epilogue.
static void T(finish_tile)(const ck_bf16_result *to, const T(simple) * s, float *sums, size_t rows, size_t cols, size_t row, size_t col) {
    if (s && cols == NR) {
        const CK_U(float) *from = to->epilogue.bias_col;
        vf bias[VECTORS];
        for (int v = 0; v < VECTORS; v++) bias[v] = from ? LD(from + col + v * W) : VS(0);
        switch ((to->is_bf16 ? 3 : 0) + (to->residual ? 2 : to->epilogue.residual ? 1 : 0)) {
        case 0: return T(put)(false, 0, to, s, bias, sums, rows, row, col);
        case 1: return T(put)(false, 1, to, s, bias, sums, rows, row, col);
        case 2: return T(put)(false, 2, to, s, bias, sums, rows, row, col);
        case 3: return T(put)(true, 0, to, s, bias, sums, rows, row, col);
        case 4: return T(put)(true, 1, to, s, bias, sums, rows, row, col);
        default: return T(put)(true, 2, to, s, bias, sums, rows, row, col);
        }
    }
    float residual[32 * NR];
    ck_gemm_epilogue e = to->epilogue;
    if (to->residual) {
        const uint16_t *from = to->residual + row * to->residual_stride + col;
        for (size_t i = 0; i < rows; i++, from += to->residual_stride) {
            for (size_t j = 0; j < cols; j++) residual[i * NR + j] = widened((uint32_t)from[j] << 16);
        }
        e.residual = residual;
        e.residual_stride = NR;
    } else if (e.residual) {
        e.residual += row * e.residual_stride + col;
    }
    if (e.bias_col) e.bias_col += col;
    if (e.bias_row) e.bias_row += row;
    if (!to->is_bf16) return T(finish)(&e, sums, NR, (float *)to->c + row * to->ldc + col, to->ldc, rows, cols, 0, 0);
    T(finish)(&e, sums, NR, sums, NR, rows, cols, 0, 0);
    ck_bf16_rows((uint16_t *)to->c + row * to->ldc + col, to->ldc, cols, sums, NR, 1, cols, 0, rows);
}

typedef struct T(target) {
    const ck_bf16_result *to;
    const T(simple) *simple;
} T(target);

static void T(finish_rows)(const ck_done *d, size_t begin, size_t rows, size_t row) {
    const T(target) *target = d->product->to;
    T(finish_tile)(target->to, target->simple, (float *)d->sums + begin * NR, rows, d->cols, row, d->col);
}

static void T(bf16_gemm)(const ck_bf16_result *to, const ck_blocks *a, const uint16_t *packed, size_t k, size_t m_begin, size_t m_end,
                         size_t n_begin, size_t n_end, void (*sums)(const ck_tile *), size_t tile_rows, bool overlaps) {
    T(simple) simple;
    const size_t element = to->is_bf16 ? 2 : 4;
    const T(target) target = {to, T(is_simple)(&to->epilogue, to->residual || to->epilogue.residual, &simple) ? &simple : NULL};
    const ck_product product = {.sums = sums, .finish = T(finish_rows), .to = &target, .c = to->c, .ldc = to->ldc * element,
                                .element = element, .tile_rows = tile_rows, .overlaps = overlaps, .packed = (const uint8_t *)packed,
                                .count = k / 32};
    ck_product_run(&product, a, m_begin, m_end, n_begin, n_end);
}

static void T(bf16_widened)(const ck_bf16_result *c, const ck_blocks *a, const uint16_t *packed, size_t k, size_t m_begin, size_t m_end,
                            size_t n_begin, size_t n_end) {
    T(bf16_gemm)(c, a, packed, k, m_begin, m_end, n_begin, n_end, T(wide_sums), MR, false);
}

#undef MR
#undef VECTORS
#endif
