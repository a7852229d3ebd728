// Attention with bfloat16 factors for at most four rows, decoding above all: a vector holds 32 elements of a head, K and V are read once
// and where they lie.
#include "attention_bf16.h"

#if CK_X86
#define CK_TIER 2
#include "tier_begin.h"
#include "attention_lanes.h"
#include "tier_end.h"

enum { ROWS = 4, KEYS = 128, CHUNK = 1024, AHEAD = 16 };

/// The block's numbers. Sums stand by 64 columns in the order in which unpacking leaves them.
typedef struct lean {
    uint16_t q[ROWS * CHUNK], weights[ROWS * KEYS];
    float scores[ROWS * KEYS], bias[ROWS * KEYS], acc[ROWS * CHUNK], line[4 * KEYS], top[16], sum[16], shrink[16];
    int32_t from[16], to[16];
} lean;

/// scores[r][j] (+)= q_r . k_j for four keys at once.
static inline __attribute__((always_inline)) CK_DP void dots(const int rows, const ck_attention_tile *at, size_t column, size_t n,
                                                             lean *t) {
    const size_t stride = at->part->k_row;
    const uint16_t *k = (const uint16_t *)at->part->k + at->at * stride + column;
    for (size_t j = 0; j < at->count; j += 4) {
        const uint16_t *x[4];
        for (size_t i = 0; i < 4; i++) x[i] = k + ck_min(j + i, at->count - 1) * stride;
        __m512 s[ROWS][4];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
            for (int i = 0; i < 4; i++) s[r][i] = _mm512_setzero_ps();
        }
        for (size_t d = 0; d < n; d += 32) {
            __m512bh y[4];
#pragma clang loop unroll(full)
            for (int i = 0; i < 4; i++) {
                y[i] = (__m512bh)ck_attention_load_32(x[i] + d, false, n - d);
                __builtin_prefetch(x[i] + AHEAD * stride + d);
            }
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) {
                const __m512bh q = (__m512bh)_mm512_loadu_si512(t->q + r * CHUNK + d);
#pragma clang loop unroll(full)
                for (int i = 0; i < 4; i++) s[r][i] = _mm512_dpbf16_ps(s[r][i], q, y[i]);
            }
        }
        for (int r = 0; r < rows; r++) {
            const ck_f32x4 a = fold_avx512((vf_avx512)s[r][0]), b = fold_avx512((vf_avx512)s[r][1]);
            const ck_f32x4 c = fold_avx512((vf_avx512)s[r][2]), d = fold_avx512((vf_avx512)s[r][3]);
            const ck_f32x4 e = __builtin_shufflevector(a, b, 0, 4, 2, 6) + __builtin_shufflevector(a, b, 1, 5, 3, 7);
            const ck_f32x4 f = __builtin_shufflevector(c, d, 0, 4, 2, 6) + __builtin_shufflevector(c, d, 1, 5, 3, 7);
            const ck_f32x4 z = __builtin_shufflevector(e, f, 0, 1, 4, 5) + __builtin_shufflevector(e, f, 2, 3, 6, 7);
            ck_f32x4_at *place = (ck_f32x4_at *)(t->scores + r * KEYS + j);
            *place = column ? *place + z : z;
        }
    }
}

/// acc[r] += sum over j of weight(r, j) v_j, two keys at once.
static inline __attribute__((always_inline)) CK_DP void add_values(const int rows, const ck_attention_tile *at, size_t column,
                                                                   size_t n, lean *t) {
    const size_t stride = at->part->v_row;
    for (size_t d = 0; d < n; d += 64) {
        const uint16_t *v = (const uint16_t *)at->part->v + at->at * stride + column + d;
        const size_t left = n - d, right = left > 32 ? left - 32 : 0;
        __m512 acc[ROWS][4];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
            for (int i = 0; i < 4; i++) acc[r][i] = _mm512_loadu_ps(t->acc + r * CHUNK + d + 16 * i);
        }
        for (size_t j = 0; j < at->count; j += 2, v += 2 * stride) {
            const bool two = j + 1 < at->count;
            for (int i = 0; i < 4; i++) __builtin_prefetch(v + (AHEAD + i / 2) * stride + i % 2 * 32);
            const __m512i a = ck_attention_load_32(v, false, left), b = ck_attention_load_32(v + 32, false, right);
            const __m512i c = ck_attention_load_32(v + stride, false, two ? left : 0), e = ck_attention_load_32(v + stride + 32, false, two ? right : 0);
            const __m512bh x[4] = {(__m512bh)_mm512_unpacklo_epi16(a, c), (__m512bh)_mm512_unpackhi_epi16(a, c),
                                   (__m512bh)_mm512_unpacklo_epi16(b, e), (__m512bh)_mm512_unpackhi_epi16(b, e)};
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) {
                const __m512bh w = (__m512bh)_mm512_set1_epi32(*(const ck_u_int32_t *)(const void *)(t->weights + r * KEYS + j));
#pragma clang loop unroll(full)
                for (int i = 0; i < 4; i++) acc[r][i] = _mm512_dpbf16_ps(acc[r][i], w, x[i]);
            }
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
            for (int i = 0; i < 4; i++) _mm512_storeu_ps(t->acc + r * CHUNK + d + 16 * i, acc[r][i]);
        }
    }
}

#define BY_ROWS(name, ...)                       \
    switch (rows) {                              \
    case 1: name(1, __VA_ARGS__); break;         \
    case 2: name(2, __VA_ARGS__); break;         \
    case 3: name(3, __VA_ARGS__); break;         \
    default: name(4, __VA_ARGS__); break;        \
    }
static CK_DP void dots_of(size_t rows, const ck_attention_tile *at, size_t column, size_t n, lean *t) {
    BY_ROWS(dots, at, column, n, t)
}
static CK_DP void add_values_of(size_t rows, const ck_attention_tile *at, size_t column, size_t n, lean *t) {
    BY_ROWS(add_values, at, column, n, t)
}

static CK_DP void load_queries(const ck_attention *p, size_t row0, size_t rows, size_t column, size_t n, lean *t) {
    const bool is_wide = p->q_type == CK_ATTENTION_F32;
    for (size_t r = 0; r < rows; r++) {
        const char *row = ck_attention_query(p, row0 + r, column);
        for (size_t d = 0; d < n; d += 32)
            _mm512_storeu_si512(t->q + r * CHUNK + d, ck_attention_load_32(row + d * (is_wide ? 4 : 2), is_wide, n - d));
    }
}

/// Weights of a tile become bfloat16; earlier sums shrink.
static CK_DP void round_weights(size_t rows, size_t keys, size_t width, lean *t) {
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < keys; j += 32)
            _mm512_storeu_si512(t->weights + r * KEYS + j, ck_attention_load_32(t->scores + r * KEYS + j, true, keys - j));
        if (t->shrink[r] == 1) continue;
        const __m512 by = _mm512_set1_ps(t->shrink[r]);
        for (float *x = t->acc + r * CHUNK, *end = x + width; x < end; x += 16) _mm512_storeu_ps(x, _mm512_mul_ps(_mm512_loadu_ps(x), by));
    }
}

/// The sums of 32 columns back in order.
static CK_DP void order_sums(float *acc, size_t width) {
    const __m512i low = _mm512_set_epi32(23, 22, 21, 20, 7, 6, 5, 4, 19, 18, 17, 16, 3, 2, 1, 0);
    const __m512i high = _mm512_set_epi32(31, 30, 29, 28, 15, 14, 13, 12, 27, 26, 25, 24, 11, 10, 9, 8);
    for (size_t d = 0; d < width; d += 32) {
        const __m512 a = _mm512_loadu_ps(acc + d), b = _mm512_loadu_ps(acc + d + 16);
        _mm512_storeu_ps(acc + d, _mm512_permutex2var_ps(a, low, b));
        _mm512_storeu_ps(acc + d + 16, _mm512_permutex2var_ps(a, high, b));
    }
}

static void sweep(const ck_attention *p, size_t row0, size_t rows, size_t key_begin, size_t key_end, size_t column, size_t n, lean *t) {
    const ck_attention_state s = {.keys = KEYS, .line_size = KEYS, .bias = t->bias, .line = t->line, .top = t->top, .sum = t->sum,
                                  .shrink = t->shrink, .from = t->from, .to = t->to};
    size_t lo[ROWS], hi[ROWS], first = SIZE_MAX, last = 0;
    const size_t width = ck_round_up(n, 64);
    for (size_t r = 0; r < rows; r++) {
        ck_attention_visible(p, row0 + r, &lo[r], &hi[r]);
        if (lo[r] < hi[r]) first = ck_min(first, lo[r]);
        last = ck_max(last, hi[r]);
        t->top[r] = -INFINITY;
        t->sum[r] = 0;
        memset(t->acc + r * CHUNK, 0, width * sizeof *t->acc);
    }
    if (p->head_size <= CHUNK) load_queries(p, row0, rows, 0, p->head_size, t);
    key_end = ck_min(key_end, p->part[0].length + p->part[1].length);
    ck_attention_tile at;
    for (size_t key = key_begin; first < last && ck_attention_next_tile(p, key, key_end, KEYS, &at); key = at.key + at.count) {
        if (at.key + at.count <= first) continue;
        if (at.key >= last) break;
        at.count = ck_min(at.count, last - at.key);
        shaping_avx512 how = {.scale = p->scale, .softcap = p->softcap};
        how.is_cut = cut_avx512(&s, lo, hi, rows, 0, &at);
        if (p->mask && !load_bias_avx512(p, &s, &at, row0, rows, 0, &how)) continue;
        for (size_t c = 0; c < p->head_size; c += CHUNK) {
            const size_t size = ck_min(CHUNK, p->head_size - c);
            if (p->head_size > CHUNK) load_queries(p, row0, rows, c, size, t);
            dots_of(rows, &at, c, size, t);
        }
        for (size_t r = 0; r < rows; r++) weigh_row_avx512(&how, at.count, r, t->scores + r * KEYS, &s);
        round_weights(rows, at.count, width, t);
        add_values_of(rows, &at, column, n, t);
    }
}

static CK_DP void finish(const ck_attention *p, size_t row0, size_t rows, size_t column, size_t n, float *partial, size_t begin, lean *t) {
    for (size_t r = 0; r < rows; r++) {
        float *acc = t->acc + r * CHUNK;
        order_sums(acc, n);
        if (!partial) {
            divide_avx512(p, acc, n, t->sum[r]);
            ck_attention_store(p, row0 + r, column, n, acc);
            continue;
        }
        float *to = partial + (row0 + r - begin) * (p->v_head_size + 2);
        memcpy(to + column, acc, n * sizeof *acc);
        to[p->v_head_size] = t->top[r];
        to[p->v_head_size + 1] = t->sum[r];
    }
}

void ck_attention_bf16_lean(const ck_attention *p, size_t begin, size_t end, size_t key_begin, size_t key_end, float *partial, void *scratch) {
    lean *t = (lean *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    for (size_t row0 = begin; row0 < end; row0 += ROWS) {
        const size_t rows = ck_min(ROWS, end - row0);
        for (size_t column = 0; column < p->v_head_size; column += CHUNK) {
            const size_t n = ck_min(CHUNK, p->v_head_size - column);
            sweep(p, row0, rows, key_begin, key_end, column, n, t);
            finish(p, row0, rows, column, n, partial, begin, t);
        }
    }
}

size_t ck_attention_bf16_lean_bytes(void) { return sizeof(lean) + 64; }
#endif
