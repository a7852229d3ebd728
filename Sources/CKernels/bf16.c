// Products of bfloat16: a tile of sums is made over a block of k by the kernel in use, then added to C in float32.
#ifndef CK_TIER
#include "bf16.h"
#include "include/ck_isa.h"
#include "internal.h"

#if CK_X86
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { NR = CK_BF16_COLUMNS, KC = CK_BF16_KC, MC = CK_BF16_MC, FEW = 4 };

/// sums[rows][NR] = A[rows][k] times a panel of B; `ahead`: k cache lines from there are wanted next.
typedef void (*bf16_sums)(float *sums, size_t rows, const uint16_t *a, size_t lda, const uint16_t *b, size_t k, const char *ahead);

static inline __attribute__((always_inline)) uint32_t pair_at(const uint16_t *a) {
    uint32_t pair;
    memcpy(&pair, a, sizeof pair);
    return pair;
}

static inline float widened(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

#if CK_X86
#define DP __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")))
/// `phases` sums an element, each over its part of k: few rows wait for their sums otherwise.
static inline __attribute__((always_inline)) DP void dp_rows(float *sums, const int rows, const int phases, const uint16_t *a, size_t lda,
                                                             const uint16_t *b, size_t k, const char *ahead) {
    __m512 acc[16][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows * phases; i++) acc[i][0] = acc[i][1] = _mm512_setzero_ps();
    for (size_t p = 0; p < k; p += 2 * (size_t)phases, b += 2 * NR * phases) {
        if (rows > 4) __builtin_prefetch(ahead + p * 32, 0, 2);
#pragma clang loop unroll(full)
        for (int f = 0; f < phases; f++) {
            const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b + 2 * NR * f), b1 = (__m512bh)_mm512_loadu_si512(b + 2 * NR * f + NR);
#pragma clang loop unroll(full)
            for (int i = 0; i < rows; i++) {
                const __m512bh x = (__m512bh)_mm512_set1_epi32((int32_t)pair_at(a + (size_t)i * lda + p + 2 * (size_t)f));
                acc[f * rows + i][0] = _mm512_dpbf16_ps(acc[f * rows + i][0], x, b0);
                acc[f * rows + i][1] = _mm512_dpbf16_ps(acc[f * rows + i][1], x, b1);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < 2; v++) {
            __m512 sum = acc[i][v];
            for (int f = 1; f < phases; f++) sum = _mm512_add_ps(sum, acc[f * rows + i][v]);
            _mm512_storeu_ps(sums + i * NR + v * 16, sum);
        }
    }
}

static DP void sums_dp(float *sums, size_t rows, const uint16_t *a, size_t lda, const uint16_t *b, size_t k, const char *ahead) {
    switch (rows) {
#define CASE(r) case r: dp_rows(sums, r, 1, a, lda, b, k, ahead); break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#undef CASE
    default: break;
    }
}

/// A product of at most FEW rows.
static DP void sums_few(float *sums, size_t rows, const uint16_t *a, size_t lda, const uint16_t *b, size_t k, const char *ahead) {
    switch (rows) {
    case 1: dp_rows(sums, 1, 8, a, lda, b, k, ahead); break;
    case 2: dp_rows(sums, 2, 4, a, lda, b, k, ahead); break;
    case 3: dp_rows(sums, 3, 4, a, lda, b, k, ahead); break;
    default: dp_rows(sums, 4, 2, a, lda, b, k, ahead); break;
    }
}

#define AMX __attribute__((target("amx-tile,amx-bf16,avx512f")))
/// Rows beyond `rows` are computed too, from whatever memory holds there.
static AMX void sums_amx(float *sums, size_t rows, const uint16_t *a, size_t lda, const uint16_t *b, size_t k, const char *ahead) {
    const size_t stride = lda * 2;
    _tile_zero(0);
    _tile_zero(1);
    if (rows <= 16) {
        for (size_t p = 0; p < k; p += 32, b += 32 * NR) {
            for (int i = 0; i < 8; i++) __builtin_prefetch(ahead + p * 32 + i * 64, 0, 2);
            _tile_loadd(4, a + p, stride);
            _tile_loadd(6, b, 4 * NR);
            _tile_loadd(7, b + NR, 4 * NR);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
        }
        _tile_stored(0, sums, 4 * NR);
        _tile_stored(1, sums + 16, 4 * NR);
        return;
    }
    const uint16_t *lower = a + 16 * lda;
    _tile_zero(2);
    _tile_zero(3);
    for (size_t p = 0; p < k; p += 32, b += 32 * NR) {
        for (int i = 0; i < 8; i++) __builtin_prefetch(ahead + p * 32 + i * 64, 0, 2);
        _tile_loadd(6, b, 4 * NR);
        _tile_loadd(4, a + p, stride);
        _tile_loadd(7, b + NR, 4 * NR);
        _tile_loadd(5, lower + p, stride);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sums, 4 * NR);
    _tile_stored(1, sums + 16, 4 * NR);
    _tile_stored(2, sums + 16 * NR, 4 * NR);
    _tile_stored(3, sums + 16 * NR + 16, 4 * NR);
}

/// All eight tiles 16 rows of 64 bytes.
static AMX void open_tiles(void) {
    static const struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {
        .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
}
static AMX void close_tiles(void) { _tile_release(); }

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

#define CK_SELF "bf16.c"
#include "tiers.h"

size_t ck_bf16_conv_scratch_bytes(size_t m) {
    return (ck_min(m, MC) + CK_BF16_ROWS_BEYOND) * CK_BF16_COPY_STRIDE * sizeof(uint16_t) + 64;
}

void ck_bf16_product(float *c, size_t ldc, const ck_bf16_a *a, const uint16_t *packed, size_t m, size_t k, size_t m_begin, size_t m_end, size_t n_begin,
                     size_t n_end, const ck_gemm_epilogue *given) {
    static const ck_gemm_epilogue plain = {.alpha = 1};
    if (m_begin >= m_end || n_begin >= n_end) return;
    const ck_gemm_epilogue *e = given ? given : &plain;
    k = ck_round_up(k, CK_BF16_DEPTH);
#if CK_X86
    const int32_t kernel = ck_bf16_kernel();
    const bool has_dp = (ck_isa_features() & CK_FEATURE_AVX512_BF16) != 0;
    // By the rows of the whole product: how it is split must not change the order of a sum.
    if (kernel == CK_BF16_AMX && (m > FEW || !has_dp)) {
        open_tiles();
        bf16_gemm_avx512(c, ldc, a, packed, k, m_begin, m_end, n_begin, n_end, e, sums_amx, 32);
        close_tiles();
        return;
    }
    if (kernel != CK_BF16_WIDENED)
        return bf16_gemm_avx512(c, ldc, a, packed, k, m_begin, m_end, n_begin, n_end, e, m > FEW ? sums_dp : sums_few, 14);
#else
    (void)m;
#endif
    CK_CALL(bf16_widened, c, ldc, a, packed, k, m_begin, m_end, n_begin, n_end, e);
}

void ck_bf16_gemm(float *c, size_t ldc, const uint16_t *a, size_t lda, const uint16_t *packed, size_t m, size_t k, size_t m_begin,
                  size_t m_end, size_t n_begin, size_t n_end, const ck_gemm_epilogue *epilogue) {
    const ck_bf16_a rows = {.rows = a, .lda = lda};
    ck_bf16_product(c, ldc, &rows, packed, m, k, m_begin, m_end, n_begin, n_end, epilogue);
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
static inline __attribute__((always_inline)) void T(wide_rows)(float *sums, const int rows, const uint16_t *a, size_t lda, const uint16_t *b,
                                                               size_t k) {
    vf acc[MR][VECTORS];
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < VECTORS; v++) acc[i][v] = VS(0);
    }
    for (size_t p = 0; p < k; p += 2, b += 2 * NR) {
#pragma clang loop unroll(full)
        for (int v = 0; v < VECTORS; v++) {
            const vu pairs = (vu)LDI((const int32_t *)(const void *)b + v * W);
            const vf even = (vf)(pairs << 16), odd = (vf)(pairs & 0xffff0000);
#pragma clang loop unroll(full)
            for (int i = 0; i < rows; i++) {
                const uint32_t x = pair_at(a + (size_t)i * lda + p);
                acc[i][v] = VFMA(VS(widened(x << 16)), even, acc[i][v]);
                acc[i][v] = VFMA(VS(widened(x & 0xffff0000)), odd, acc[i][v]);
            }
        }
    }
    for (int i = 0; i < rows; i++) {
        for (int v = 0; v < VECTORS; v++) ST(sums + i * NR + v * W, acc[i][v]);
    }
}

static void T(wide_sums)(float *sums, size_t rows, const uint16_t *a, size_t lda, const uint16_t *b, size_t k, const char *ahead) {
    (void)ahead;
    switch (rows) {
#define CASE(r) case r: T(wide_rows)(sums, r, a, lda, b, k); break;
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

/// sums += c, or c = sums.
static inline void T(move_tile)(float *sums, float *c, size_t ldc, size_t rows, size_t cols, bool adds) {
    for (size_t i = 0; i < rows; i++, sums += NR, c += ldc) {
        for (size_t j = 0; j < cols; j += W) {
            const size_t left = cols - j;
            if (adds) {
                ST(sums + j, LD(sums + j) + (left >= W ? LD(c + j) : LDN(c + j, left)));
            } else if (left >= W) {
                ST(c + j, LD(sums + j));
            } else {
                STN(c + j, LD(sums + j), left);
            }
        }
    }
}

static void T(bf16_gemm)(float *c, size_t ldc, const ck_bf16_a *source, const uint16_t *packed, size_t k, size_t m_begin, size_t m_end,
                         size_t n_begin, size_t n_end, const ck_gemm_epilogue *given, bf16_sums sums_of, size_t tile_rows) {
    float sums[32 * NR] __attribute__((aligned(64)));
    ck_gemm_epilogue e = *given;
    // Over its own residual the sum starts from what lies in C.
    const bool over = e.residual == c && e.residual_stride == ldc;
    if (over) e.residual = NULL;
    const bool plain = e.alpha == 1 && !e.bias_col && !e.bias_row && !e.residual && e.act.op == CK_UNARY_NONE;
    const size_t blocks = (m_end - m_begin + MC - 1) / MC, depths = ck_max(1, (k + KC - 1) / KC);
    for (size_t block = 0; block < blocks; block++) {
        const size_t m0 = m_begin + block * MC, rows = ck_min(MC, m_end - m0);
        for (size_t d = 0; d < depths; d++) {
            const size_t k0 = k / 32 * d / depths * 32, kc = k / 32 * (d + 1) / depths * 32 - k0;
            const bool first = d == 0 && !over, last = d + 1 == depths;
            const uint16_t *a = source->rows + m0 * source->lda + k0;
            size_t lda = source->lda;
            if (source->copy) {
                source->copy(source->context, source->scratch, CK_BF16_COPY_STRIDE, m0, rows, k0, kc);
                a = source->scratch;
                lda = CK_BF16_COPY_STRIDE;
            }
            for (size_t j = n_begin; j < n_end; j += NR) {
                const size_t cols = ck_min(NR, n_end - j);
                const uint16_t *b = packed + j * k + k0 * NR;
                const char *next = (const char *)(j + NR < n_end ? b + k * NR : last ? b : packed + n_begin * k + (k0 + kc) * NR);
                for (size_t i = 0; i < rows; i += tile_rows) {
                    const size_t m = ck_min(tile_rows, rows - i), tile = i / tile_rows;
                    float *dst = c + (m0 + i) * ldc + j;
                    // The panel that comes next, fetched by the first tiles.
                    sums_of(sums, m, a + i * lda, lda, b, kc, tile < 2 ? next + tile * kc * 32 : (const char *)b);
                    if (!first) T(move_tile)(sums, dst, ldc, m, cols, true);
                    if (last && !plain) {
                        T(finish)(&e, sums, NR, dst, ldc, m, cols, m0 + i, j);
                    } else {
                        T(move_tile)(sums, dst, ldc, m, cols, false);
                    }
                }
            }
        }
    }
}

static void T(bf16_widened)(float *c, size_t ldc, const ck_bf16_a *a, const uint16_t *packed, size_t k, size_t m_begin, size_t m_end,
                            size_t n_begin, size_t n_end, const ck_gemm_epilogue *e) {
    T(bf16_gemm)(c, ldc, a, packed, k, m_begin, m_end, n_begin, n_end, e, T(wide_sums), MR);
}

#undef MR
#undef VECTORS
#endif
