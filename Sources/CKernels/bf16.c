// Products of bfloat16: a tile of sums is made over a block of k by the kernel in use, then added to C in float32.
#ifndef CK_TIER
#include "amx.h"
#include "bf16.h"
#include "include/ck_isa.h"
#include "internal.h"

#if CK_X86
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { NR = CK_BF16_COLUMNS, FEW = 4 };

#include "bf16_sums.h"

#if CK_X86
/// The kernel gives a process the tiles' state on request.
static bool has_tiles(void) {
    const uint32_t both = CK_FEATURE_AMX_TILE | CK_FEATURE_AMX_BF16;
    return (ck_isa_features() & both) == both && syscall(SYS_arch_prctl, 0x1023 /* ARCH_REQ_XCOMP_PERM */, 18) == 0;
}
#endif

static int32_t kernel_in_use = -1;

static int32_t best_kernel(void) {
#if CK_X86
    if (ck_tier() == CK_TIER_AVX512) {
        if (has_tiles()) return CK_BF16_AMX;
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

const char *ck_bf16_name(void) {
    static const char *const names[] = {"widened", "avx512-bf16", "amx-bf16"};
    return names[ck_bf16_kernel()];
}

/// Rows of A that are worked on together, of `m`: they stay in the second-level cache beside a panel of B, which is read once for
/// all of them.
static size_t block_rows(size_t m, size_t k) {
    const size_t bytes = ck_bf16_kernel() == CK_BF16_AMX ? (size_t)1 << 20 : (size_t)384 << 10;
    const size_t most = ck_max(32, ck_min(512, bytes / 2 / k / 32 * 32)), blocks = (m + most - 1) / most;
    return ck_round_up((m + blocks - 1) / ck_max(1, blocks), 32);
}

#define CK_SELF "bf16.c"
#include "tiers.h"

size_t ck_bf16_conv_scratch_bytes(size_t m, size_t k) {
    return (ck_min(m, block_rows(m, ck_round_up(k, CK_BF16_DEPTH)))) * ck_bf16_pitch(k) * sizeof(uint16_t) + 64;
}

void ck_bf16_product(const ck_bf16_result *c, const ck_bf16_a *a, const uint16_t *packed, size_t m, size_t k, size_t m_begin, size_t m_end,
                     size_t n_begin, size_t n_end) {
    if (m_begin >= m_end || n_begin >= n_end) return;
    k = ck_round_up(k, CK_BF16_DEPTH);
#if CK_X86
    const int32_t kernel = ck_bf16_kernel();
    const bool has_dp = (ck_isa_features() & CK_FEATURE_AVX512_BF16) != 0;
    // By the rows of the whole product: how it is split must not change the order of a sum.
    if (kernel == CK_BF16_AMX && (m > 1 || !has_dp)) {
        bf16_gemm_avx512(c, a, packed, k, m_begin, m_end, n_begin, n_end, sums_amx, 32);
        ck_amx_close();
        return;
    }
    if (kernel != CK_BF16_WIDENED)
        return bf16_gemm_avx512(c, a, packed, k, m_begin, m_end, n_begin, n_end, m > FEW ? sums_dp : sums_few, 14);
#else
    (void)m;
#endif
    CK_CALL(bf16_widened, c, a, packed, k, m_begin, m_end, n_begin, n_end);
}

void ck_bf16_gemm(const ck_bf16_result *c, const uint16_t *a, size_t lda, const uint16_t *packed, size_t m, size_t k, size_t m_begin,
                  size_t m_end, size_t n_begin, size_t n_end) {
    const ck_bf16_a rows = {.rows = a, .lda = lda};
    ck_bf16_product(c, &rows, packed, m, k, m_begin, m_end, n_begin, n_end);
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
static inline __attribute__((always_inline)) void T(wide_rows)(const bf16_tile *t, const int rows) {
    vf acc[MR][VECTORS];
    const uint16_t *a = t->a, *b = t->b;
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < VECTORS; v++) acc[i][v] = VS(0);
    }
    for (size_t p = 0; p < t->k; p += 2, b += 2 * NR) {
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) {
            const vu pairs = (vu)LDI((const int32_t *)(const void *)b + v * W);
            const vf even = (vf)(pairs << 16), odd = (vf)(pairs & 0xffff0000);
#pragma clang loop unroll(full)
            for (int i = 0; i < rows; i++) {
                const uint32_t x = pair_at(a + (size_t)i * t->lda + p);
                acc[i][v] = VFMA(VS(widened(x << 16)), even, acc[i][v]);
                acc[i][v] = VFMA(VS(widened(x & 0xffff0000)), odd, acc[i][v]);
            }
        }
    }
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < VECTORS; v++) ST(t->sums + i * NR + v * W, acc[i][v]);
    }
}

static void T(wide_sums)(const bf16_tile *t) {
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

/// What an epilogue does that a tile can do on its way to memory: + bias[column] + residual, then an activation, the most common of
/// which are clamps.
typedef struct T(simple) {
    vf bias[VECTORS], low, high, p0, p1;
    int32_t op;  ///< CK_UNARY_NONE where it is a clamp
} T(simple);

/// False where the epilogue asks for more.
static bool T(is_simple)(const ck_gemm_epilogue *e, bool has_residual, T(simple) * simple) {
    const int32_t op = e->act.op;
    simple->low = VS(op == CK_UNARY_RELU ? 0.0f : op == CK_UNARY_CLIP ? e->act.p0 : -INFINITY);
    simple->high = VS(op == CK_UNARY_CLIP ? e->act.p1 : INFINITY);
    simple->p0 = VS(e->act.p0);
    simple->p1 = VS(e->act.p1);
    simple->op = op == CK_UNARY_RELU || op == CK_UNARY_CLIP ? CK_UNARY_NONE : op;
    return e->alpha == 1 && !e->bias_row && !(has_residual && e->act_first) && (op == CK_UNARY_NONE || ck_is_vector_activation(op));
}

/// A tile of NR columns to C, both of a kind known to the compiler.
static inline __attribute__((always_inline)) void T(put)(const bool narrow, const int residual, const ck_bf16_result *to, const T(simple) * s,
                                                         const float *sums, size_t rows, size_t row, size_t col) {
    const ck_gemm_epilogue *e = &to->epilogue;
    for (size_t i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) {
            vf x = LD(sums + i * NR + v * W) + s->bias[v];
            if (residual == 1) x += LD(e->residual + (row + i) * e->residual_stride + col + v * W);
            if (residual == 2) {
                const T(halves) bits = *(const T(halves) *)(to->residual + (row + i) * to->residual_stride + col + v * W);
                x += (vf)(__builtin_convertvector((T(whole_halves))bits, vu) << 16);
            }
            x = s->op == CK_UNARY_NONE ? vclamp(x, s->low, s->high) : vactivate(s->op, x, s->p0, s->p1);
            if (!narrow) {
                ST((float *)to->c + (row + i) * to->ldc + col + v * W, x);
                continue;
            }
            const vu bits = (vu)x, nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
            const vu is_nan = (vu)(x != x);
            *(T(halves) *)((uint16_t *)to->c + (row + i) * to->ldc + col + v * W) =
                __builtin_convertvector((is_nan & quiet) | (~is_nan & nearest), T(whole_halves));
        }
    }
}

/// A tile's sums to C through the epilogue.
static void T(finish_tile)(const ck_bf16_result *to, T(simple) * s, float *sums, size_t rows, size_t cols, size_t row, size_t col) {
    if (s && cols == NR) {
        const CK_U(float) *bias = to->epilogue.bias_col;
        for (int v = 0; v < VECTORS; v++) s->bias[v] = bias ? LD(bias + col + v * W) : VS(0);
        switch ((to->is_bf16 ? 3 : 0) + (to->residual ? 2 : to->epilogue.residual ? 1 : 0)) {
        case 0: return T(put)(false, 0, to, s, sums, rows, row, col);
        case 1: return T(put)(false, 1, to, s, sums, rows, row, col);
        case 2: return T(put)(false, 2, to, s, sums, rows, row, col);
        case 3: return T(put)(true, 0, to, s, sums, rows, row, col);
        case 4: return T(put)(true, 1, to, s, sums, rows, row, col);
        default: return T(put)(true, 2, to, s, sums, rows, row, col);
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

static void T(bf16_gemm)(const ck_bf16_result *to, const ck_bf16_a *source, const uint16_t *packed, size_t k, size_t m_begin, size_t m_end,
                         size_t n_begin, size_t n_end, bf16_sums sums_of, size_t tile_rows) {
    // Two, so that a tile is computed while the one before is put away.
    float sums[2][32 * NR] __attribute__((aligned(64)));
    size_t configured = 0, count = 0;
    T(simple) simple;
    const bool is_simple = T(is_simple)(&to->epilogue, to->residual || to->epilogue.residual, &simple);
    const size_t most = block_rows(m_end - m_begin, k), ldc = to->ldc * (to->is_bf16 ? 2 : 4);
    for (size_t m0 = m_begin, rows; m0 < m_end; m0 += rows) {
        rows = ck_min(most, m_end - m0);
        const uint16_t *a = source->rows + m0 * source->lda;
        size_t lda = source->lda;
        if (source->copy) {
            lda = ck_bf16_pitch(k);
            source->copy(source->context, source->scratch, lda, m0, rows, 0, k);
            a = source->scratch;
        }
        // The tiles of a panel fetch the next one, each its part: all at once would have to wait for memory.
        const size_t tiles = (rows + tile_rows - 1) / tile_rows, lines = (32 + tiles - 1) / tiles, part = k / 32 * lines * 64;
        for (size_t j = n_begin; j < n_end; j += NR) {
            const uint16_t *b = packed + j * k;
            const char *next = (const char *)(j + NR < n_end ? b + k * NR : packed + n_begin * k);
            for (size_t i = 0; i < rows; i += tile_rows) {
                const size_t row = m0 + i, height = ck_min(tile_rows, rows - i), width = ck_min(NR, n_end - j);
                const size_t begin = i / tile_rows * part;
                float *mine = sums[count++ % 2];
                const bf16_tile t = {.sums = mine, .a = a + i * lda, .rows = height, .lda = lda, .b = b, .k = k, .ahead = next + begin,
                                     .lines = begin < k * 64 ? lines : 0, .c = (const char *)to->c + row * ldc + j * (to->is_bf16 ? 2 : 4),
                                     .ldc = ldc, .configured = &configured};
                sums_of(&t);
                T(finish_tile)(to, is_simple ? &simple : NULL, mine, height, width, row, j);
            }
        }
    }
}

static void T(bf16_widened)(const ck_bf16_result *c, const ck_bf16_a *a, const uint16_t *packed, size_t k, size_t m_begin, size_t m_end,
                            size_t n_begin, size_t n_end) {
    T(bf16_gemm)(c, a, packed, k, m_begin, m_end, n_begin, n_end, T(wide_sums), MR);
}

#undef MR
#undef VECTORS
#endif
