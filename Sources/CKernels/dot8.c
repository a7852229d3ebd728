// 8-bit products: tiles of 8 rows by 32 columns, sums in registers; VNNI where there is, else products of 16-bit pairs.
#ifndef CK_TIER
#include "include/ck_dot8.h"
#include "include/ck_isa.h"
#include "internal.h"
#include "window.h"

enum { NR = CK_DOT8_COLUMNS, MR = 8 };

typedef void (*dot8_sums)(int32_t *tile, const uint8_t *const *rows, size_t count, const int8_t *b, size_t k);

/// Numbers 4 * g ..< 4 * g + 4 of a row; those from k on are 0.
static inline __attribute__((always_inline)) uint32_t four(const uint8_t *row, size_t g, size_t k) {
    uint32_t v = 0;
    if (__builtin_expect(4 * g + 4 <= k, 1)) {
        memcpy(&v, row + 4 * g, 4);
    } else {
        memcpy(&v, row + 4 * g, k - 4 * g);
    }
    return v;
}

#if CK_X86
#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
static inline __attribute__((always_inline)) VNNI void vnni_rows(int32_t *tile, const uint8_t *const *rows, const int count,
                                                                 const int8_t *b, size_t k) {
    __m512i acc[MR][2];
    for (int q = 0; q < count; q++) acc[q][0] = acc[q][1] = _mm512_setzero_si512();
    for (size_t g = 0; g < (k + 3) / 4; g++) {
        const __m512i b0 = _mm512_loadu_si512(b + g * 4 * NR), b1 = _mm512_loadu_si512(b + g * 4 * NR + 64);
        for (int q = 0; q < count; q++) {
            const __m512i x = _mm512_set1_epi32((int32_t)four(rows[q], g, k));
            acc[q][0] = _mm512_dpbusd_epi32(acc[q][0], x, b0);
            acc[q][1] = _mm512_dpbusd_epi32(acc[q][1], x, b1);
        }
    }
    for (int q = 0; q < count; q++) {
        _mm512_storeu_si512(tile + q * NR, acc[q][0]);
        _mm512_storeu_si512(tile + q * NR + 16, acc[q][1]);
    }
}

static VNNI void sums_vnni(int32_t *tile, const uint8_t *const *rows, size_t count, const int8_t *b, size_t k) {
    if (count == 1) {
        vnni_rows(tile, rows, 1, b, k);
    } else {
        vnni_rows(tile, rows, MR, b, k);
    }
}

static bool has_vnni(void) {
    static int known = -1;
    int value = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (value < 0) {
        value = (ck_isa_features() & CK_FEATURE_AVX512_VNNI) != 0;
        __atomic_store_n(&known, value, __ATOMIC_RELAXED);
    }
    return value && ck_tier() == 2;
}
#endif

#define CK_SELF "dot8.c"
#include "tiers.h"

size_t ck_dot8_packed_bytes(size_t k, size_t n) { return (n + NR - 1) / NR * ((k + 3) / 4) * 4 * NR; }

void ck_dot8_pack(int8_t *packed, int32_t *sums, const void *b, bool is_signed, ptrdiff_t row_stride, ptrdiff_t col_stride,
                  size_t k, size_t n, size_t panel_begin, size_t panel_end) {
    const uint8_t flip = is_signed ? 0 : 0x80;
    const size_t groups = (k + 3) / 4;
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        int8_t *out = packed + panel * groups * 4 * NR;
        const size_t j0 = panel * NR, cols = ck_min(NR, n - j0);
        memset(out, 0, groups * 4 * NR);
        int32_t *total = sums + j0;
        memset(total, 0, NR * sizeof *total);
        for (size_t p = 0; p < k; p++) {
            const uint8_t *line = (const uint8_t *)b + (ptrdiff_t)p * row_stride + (ptrdiff_t)j0 * col_stride;
            for (size_t j = 0; j < cols; j++) {
                const int8_t v = (int8_t)(line[(ptrdiff_t)j * col_stride] ^ flip);
                out[(p / 4 * NR + j) * 4 + p % 4] = v;
                total[j] += v;
            }
        }
    }
}

void ck_dot8_run(const ck_dot8 *p, size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end) {
#if CK_X86
    if (has_vnni()) return dot8_tiles_avx512(p, sums_vnni, m_begin, m_end, panel_begin, panel_end);
#endif
    CK_CALL(dot8_run, p, m_begin, m_end, panel_begin, panel_end);
}

void ck_dot8_columns(uint8_t *out, const void *in, bool flip, uint8_t pad, const ck_window *w, size_t channels, size_t begin,
                     size_t end) {
    const size_t row = (size_t)window_taps(w) * channels;
    const bool is_dense = w->dilation[2] == 1;
    for (size_t p = begin; p < end; p++) {
        uint8_t *y = out + (p - begin) * row, *at = y;
        const ptrdiff_t ow = (ptrdiff_t)p % w->out[2], oh = (ptrdiff_t)p / w->out[2] % w->out[1],
                        od = (ptrdiff_t)p / w->out[2] / w->out[1];
        const ptrdiff_t first = window_at(w, 2, ow, 0);
        for (ptrdiff_t kd = 0; kd < w->kernel[0]; kd++) {
            const ptrdiff_t d = window_at(w, 0, od, kd);
            for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++) {
                const ptrdiff_t h = window_at(w, 1, oh, kh);
                const size_t line_bytes = (size_t)w->kernel[2] * channels;
                if (d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1]) {
                    memset(at, pad ^ (flip ? 0x80 : 0), line_bytes);
                    at += line_bytes;
                    continue;
                }
                const uint8_t *line = (const uint8_t *)in + (size_t)((d * w->in[1] + h) * w->in[2]) * channels;
                if (is_dense && first >= 0 && first + w->kernel[2] <= w->in[2]) {
                    memcpy(at, line + (size_t)first * channels, line_bytes);
                    at += line_bytes;
                    continue;
                }
                for (ptrdiff_t kw = 0; kw < w->kernel[2]; kw++, at += channels) {
                    const ptrdiff_t x = window_at(w, 2, ow, kw);
                    if (x < 0 || x >= w->in[2]) {
                        memset(at, pad ^ (flip ? 0x80 : 0), channels);
                    } else {
                        memcpy(at, line + (size_t)x * channels, channels);
                    }
                }
            }
        }
        if (flip) ck_flip_i8(y, y, row);
    }
}

void ck_flip_i8(uint8_t *out, const void *in, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = ((const uint8_t *)in)[i] ^ 0x80;
}

#else

#if CK_TIER == 0
static void T(sums)(int32_t *tile, const uint8_t *const *rows, size_t count, const int8_t *b, size_t k) {
    for (size_t q = 0; q < count; q++) {
        uint32_t acc[NR] = {0};
        for (size_t g = 0; g < (k + 3) / 4; g++) {
            const uint32_t x = four(rows[q], g, k);
            const int8_t *line = b + g * 4 * NR;
            for (int j = 0; j < NR; j++) {
                acc[j] += (uint32_t)((int32_t)(x & 255) * line[4 * j] + (int32_t)(x >> 8 & 255) * line[4 * j + 1] +
                                     (int32_t)(x >> 16 & 255) * line[4 * j + 2] + (int32_t)(x >> 24) * line[4 * j + 3]);
            }
        }
        memcpy(tile + q * NR, acc, sizeof acc);
    }
}
#else
#if CK_TIER == 1
#define VB __m256i
#define LOADB(p) _mm256_loadu_si256((const __m256i *)(p))
#define STOREB(p, v) _mm256_storeu_si256((__m256i *)(p), v)
#define M(name) _mm256_##name
#define ZERO _mm256_setzero_si256()
#else
#define VB __m512i
#define LOADB(p) _mm512_loadu_si512(p)
#define STOREB(p, v) _mm512_storeu_si512(p, v)
#define M(name) _mm512_##name
#define ZERO _mm512_setzero_si512()
#endif
/// A lane holds four numbers of one column: those at even places times those of A, and those at odd places, as 16-bit pairs.
static inline __attribute__((always_inline)) void T(few)(int32_t *tile, const uint8_t *const *rows, const int count,
                                                         const int8_t *b, size_t k) {
    VB acc[4][2];
    for (int q = 0; q < count; q++) acc[q][0] = acc[q][1] = ZERO;
    for (size_t g = 0; g < (k + 3) / 4; g++) {
        const VB b0 = LOADB(b + g * 4 * NR), b1 = LOADB(b + g * 4 * NR + 4 * W);
        const VB even0 = M(srai_epi16)(M(slli_epi16)(b0, 8), 8), odd0 = M(srai_epi16)(b0, 8);
        const VB even1 = M(srai_epi16)(M(slli_epi16)(b1, 8), 8), odd1 = M(srai_epi16)(b1, 8);
        for (int q = 0; q < count; q++) {
            const uint32_t x = four(rows[q], g, k);
            const VB even = M(set1_epi32)((int32_t)(x & 0x00ff00ff)), odd = M(set1_epi32)((int32_t)(x >> 8 & 0x00ff00ff));
            acc[q][0] = M(add_epi32)(acc[q][0], M(add_epi32)(M(madd_epi16)(even, even0), M(madd_epi16)(odd, odd0)));
            acc[q][1] = M(add_epi32)(acc[q][1], M(add_epi32)(M(madd_epi16)(even, even1), M(madd_epi16)(odd, odd1)));
        }
    }
    for (int q = 0; q < count; q++) {
        STOREB(tile + q * NR, acc[q][0]);
        STOREB(tile + q * NR + W, acc[q][1]);
    }
}
#undef VB
#undef LOADB
#undef STOREB
#undef M
#undef ZERO

static void T(sums)(int32_t *tile, const uint8_t *const *rows, size_t count, const int8_t *b, size_t k) {
    for (size_t j = 0; j < NR; j += 2 * W) {
        if (count == 1) {
            T(few)(tile + j, rows, 1, b + 4 * j, k);
        } else {
            T(few)(tile + j, rows, 4, b + 4 * j, k);
            T(few)(tile + 4 * NR + j, rows + 4, 4, b + 4 * j, k);
        }
    }
}
#endif

static inline __attribute__((always_inline)) uint8_t T(byte)(int32_t s, float scale, float zero, float low, float high) {
    float x = (float)s * scale;
    x = x < -1e6f ? -1e6f : x > 1e6f ? 1e6f : x != x ? 0.0f : x;
    x = (x + 12582912.0f) - 12582912.0f + zero;
    return (uint8_t)(int32_t)(x < low ? low : x > high ? high : x);
}

/// One row of a tile to the result.
static void T(finish)(const ck_dot8 *p, int32_t *restrict line, uint32_t row_sum, size_t i, size_t j0, size_t cols) {
    const CK_U(int32_t) *columns = p->columns + j0;
    const uint32_t a_zero = (uint32_t)p->a_zero;
    for (size_t j = 0; j < cols; j++) line[j] = (int32_t)((uint32_t)line[j] - a_zero * (uint32_t)columns[j]);
    if (p->b_zero) {
        const CK_U(int32_t) *zeros = p->b_zero + j0;
        for (size_t j = 0; j < cols; j++) line[j] = (int32_t)((uint32_t)line[j] - row_sum * (uint32_t)zeros[j]);
    }
    if (p->bias) {
        const CK_U(int32_t) *bias = p->bias + j0;
        for (size_t j = 0; j < cols; j++) line[j] = (int32_t)((uint32_t)line[j] + (uint32_t)bias[j]);
    }
    const size_t at = i * p->ldo + j0;
    if (p->result == CK_DOT8_INT32) {
        memcpy((int32_t *)p->out + at, line, cols * sizeof *line);
        return;
    }
    const CK_U(float) *scale = p->scale + j0;
    if (p->result == CK_DOT8_FLOAT) {
        float *restrict out = (float *)p->out + at;
        for (size_t j = 0; j < cols; j++) {
            float y = (float)line[j] * scale[j];
            if (p->addend) y = y + p->addend[j0 + j];
            out[j] = y;
        }
        return;
    }
    uint8_t *restrict out = (uint8_t *)p->out + at;
    const float zero = (float)p->zero;
    if (p->result == CK_DOT8_INT8) {
        for (size_t j = 0; j < cols; j++) out[j] = T(byte)(line[j], scale[j], zero, -128, 127);
    } else {
        for (size_t j = 0; j < cols; j++) out[j] = T(byte)(line[j], scale[j], zero, 0, 255);
    }
}

static void T(dot8_tiles)(const ck_dot8 *p, dot8_sums sums, size_t m_begin, size_t m_end, size_t panel_begin,
                          size_t panel_end) {
    int32_t tile[MR * NR] __attribute__((aligned(64)));
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        const int8_t *b = p->b + panel * ((p->k + 3) / 4) * 4 * NR;
        const size_t j0 = panel * NR, cols = ck_min(NR, p->n - j0);
        for (size_t i = m_begin; i < m_end; i += MR) {
            const size_t count = ck_min(MR, m_end - i);
            const uint8_t *rows[MR];
            for (size_t q = 0; q < MR; q++) rows[q] = p->a + (i + ck_min(q, count - 1)) * p->lda;
            sums(tile, rows, count, b, p->k);
            for (size_t q = 0; q < count; q++) {
                uint32_t row_sum = 0;
                if (p->b_zero) {
                    for (size_t e = 0; e < p->k; e++) row_sum += rows[q][e];
                }
                T(finish)(p, tile + q * NR, row_sum, i + q, j0, cols);
            }
        }
    }
}

static void T(dot8_run)(const ck_dot8 *p, size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end) {
    T(dot8_tiles)(p, T(sums), m_begin, m_end, panel_begin, panel_end);
}

#endif
