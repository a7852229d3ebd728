// Attention with bfloat16 factors: packing of the operands, and the two products by AMX tiles or vdpbf16ps.
#include "amx.h"
#include "attention_bf16.h"

#if CK_X86
enum { LANES = CK_ATTENTION_LANES, AHEAD = 8 };  // rows that are fetched ahead

CK_DP void ck_attention_pack_queries(const ck_attention *p, size_t row0, size_t rows, size_t column, size_t n, uint32_t *to) {
    const bool is_wide = p->q_type == CK_ATTENTION_F32;
    const size_t size = is_wide ? 4 : 2;
    for (size_t lane = 0; lane < rows; lane += 16) {
        const char *row[16];
        const size_t used = ck_min(16, rows - lane);
        for (size_t i = 0; i < used; i++) row[i] = ck_attention_query(p, row0 + lane + i, column);
        for (size_t d = 0; d < n; d += 32) {
            __m512i x[16];
            for (size_t i = 0; i < 16; i++)
                x[i] = i < used ? ck_attention_load_32(row[i] + d * size, is_wide, n - d) : _mm512_setzero_si512();
            ck_attention_turn_16(x);
            for (size_t i = 0; i < 16; i++) _mm512_storeu_si512(to + (d / 2 + i) * LANES + lane, x[i]);
        }
    }
}

CK_DP void ck_attention_pack_keys(const ck_attention *p, const ck_attention_tile *tile, size_t column, size_t n, uint16_t *to,
                                  size_t pitch) {
    const bool is_wide = p->k_type == CK_ATTENTION_F32;
    const size_t size = is_wide ? 4 : 2, stride = tile->part->k_row;
    const char *row = ck_attention_element(tile->part->k, p->k_type, tile->at * stride + column);
    for (size_t j = 0; j < tile->count; j++, row += stride * size, to += pitch) {
        for (size_t d = 0; d < n * size; d += 64) __builtin_prefetch(row + AHEAD * stride * size + d);
        for (size_t d = 0; d < n; d += 32) _mm512_storeu_si512(to + d, ck_attention_load_32(row + d * size, is_wide, n - d));
    }
}

/// Pairs from 16 columns of two keys; zeros behind `left` columns and for keys that are not there.
static inline __attribute__((always_inline)) CK_DP __m512i value_pairs(const char *first, const char *second, bool is_wide, size_t left,
                                                                       size_t keys) {
    const __mmask16 mask = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    const __mmask16 one = keys > 0 ? mask : 0, two = keys > 1 ? mask : 0;
    if (is_wide)
        return ck_attention_interleave((__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(two, second), _mm512_maskz_loadu_ps(one, first)));
    const __m512i low = _mm512_castsi256_si512(_mm256_maskz_loadu_epi16(one, first));
    return ck_attention_interleave(_mm512_inserti64x4(low, _mm256_maskz_loadu_epi16(two, second), 1));
}

CK_DP void ck_attention_pack_values(const ck_attention *p, const ck_attention_tile *tile, size_t column, size_t n, uint32_t *to,
                                    size_t width, bool amx) {
    const bool is_wide = p->v_type == CK_ATTENTION_F32;
    const size_t size = is_wide ? 4 : 2, step = tile->part->v_row * size, count = tile->count;
    const char *v = ck_attention_element(tile->part->v, p->v_type, tile->at * tile->part->v_row + column);
    if (!amx) {
        for (size_t j = 0; j < count; j += 2, v += 2 * step, to += width) {
            for (size_t d = 0; d < n * size; d += 64) {
                __builtin_prefetch(v + AHEAD * step + d);
                __builtin_prefetch(v + (AHEAD + 1) * step + d);
            }
            for (size_t d = 0; d < n; d += 16)
                _mm512_storeu_si512(to + d, value_pairs(v + d * size, v + d * size + step, is_wide, n - d, count - j));
        }
        return;
    }
    for (size_t j = 0; j < count; j += 32, v += 32 * step) {
        for (size_t d = 0; d < width; d += 16, to += 256) {
            if (d >= n) {
                memset(to, 0, 1024);
                continue;
            }
            __m512i x[16];
            for (size_t i = 0; i < 16; i++) {
                const size_t key = j + 2 * i, keys = key < count ? count - key : 0;
                __builtin_prefetch(v + d * size + (32 + 2 * i) * step);
                __builtin_prefetch(v + d * size + (33 + 2 * i) * step);
                x[i] = value_pairs(v + d * size + 2 * i * step, v + d * size + (2 * i + 1) * step, is_wide, n - d, keys);
            }
            ck_attention_turn_16(x);
            for (size_t i = 0; i < 16; i++) _mm512_storeu_si512(to + i * 16, x[i]);
        }
    }
}

/// c[rows][16 * vectors] (+)= the sum over k of a(i, p) b[p], pairs of bfloat16: a(i, p) = a[i * a_row + p * a_col], b's rows ldb apart.
static inline __attribute__((always_inline)) CK_DP void small(const int rows, const int vectors, size_t k, const CK_U(uint32_t) *a,
                                                              size_t a_row, size_t a_col, const uint32_t *b, size_t ldb, float *c,
                                                              size_t ldc, bool add) {
    __m512 acc[12][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) acc[i][v] = add ? _mm512_loadu_ps(c + (size_t)i * ldc + v * 16) : _mm512_setzero_ps();
    }
    for (size_t p = 0; p < k; p++, b += ldb, a += a_col) {
        __m512bh y[2];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) y[v] = (__m512bh)_mm512_loadu_si512(b + v * 16);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            const __m512bh x = (__m512bh)_mm512_set1_epi32((int32_t)a[(size_t)i * a_row]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) acc[i][v] = _mm512_dpbf16_ps(acc[i][v], x, y[v]);
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) _mm512_storeu_ps(c + (size_t)i * ldc + v * 16, acc[i][v]);
    }
}

/// The same for any number of rows and of columns, a multiple of 16.
static CK_DP void product(size_t rows, size_t cols, size_t k, const CK_U(uint32_t) *a, size_t a_row, size_t a_col, const uint32_t *b,
                          size_t ldb, float *c, size_t ldc, bool add) {
    for (size_t j = 0; j < cols; j += 32) {
        const bool pair = cols - j > 16;
        size_t i = 0;
#define SMALL(n, vectors) small(n, vectors, k, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc, add)
#define ROWS(n) if (pair) SMALL(n, 2); else SMALL(n, 1);
        for (; i + 12 <= rows; i += 12) { ROWS(12) }
        if (i + 8 <= rows) { ROWS(8) i += 8; }
        if (i + 4 <= rows) { ROWS(4) i += 4; }
        switch (rows - i) {
        case 3: ROWS(3) break;
        case 2: ROWS(2) break;
        case 1: ROWS(1) break;
        default: break;
        }
#undef ROWS
#undef SMALL
    }
}

/// c[rows][lanes] (+)= a b over `steps` times 32 elements: tiles of a `a_step` apart along k, `a_next` along the rows; rows in multiples of 32.
static CK_AMX void tiles(size_t rows, size_t lanes, size_t steps, const uint16_t *a, size_t stride, size_t a_step, size_t a_next,
                         const uint32_t *b, float *c, bool add) {
    enum { LDC = LANES * 4 };
    const bool both = lanes > 16;
    for (size_t i = 0; i < rows; i += 32, a += 2 * a_next, c += 32 * LANES) {
        const uint16_t *x = a;
        const uint32_t *y = b;
        float *below = c + 16 * LANES;
        if (add) {
            _tile_loadd(0, c, LDC);
            _tile_loadd(2, below, LDC);
            if (both) {
                _tile_loadd(1, c + 16, LDC);
                _tile_loadd(3, below + 16, LDC);
            }
        } else {
            _tile_zero(0);
            _tile_zero(1);
            _tile_zero(2);
            _tile_zero(3);
        }
        for (size_t s = 0; s < steps; s++, x += a_step, y += 16 * LANES) {
            _tile_loadd(6, y, LDC);
            _tile_loadd(4, x, stride);
            _tile_loadd(5, x + a_next, stride);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(2, 5, 6);
            if (!both) continue;
            _tile_loadd(7, y + 16, LDC);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(3, 5, 7);
        }
        _tile_stored(0, c, LDC);
        _tile_stored(2, below, LDC);
        if (!both) continue;
        _tile_stored(1, c + 16, LDC);
        _tile_stored(3, below + 16, LDC);
    }
}

void ck_attention_dot(const uint16_t *k, size_t pitch, const uint32_t *q, size_t keys, size_t n, size_t lanes, float *scores, bool add,
                      bool amx) {
    if (amx) return tiles(ck_round_up(keys, 32), lanes, (n + 31) / 32, k, pitch * 2, 32, 16 * pitch, q, scores, add);
    product(keys, lanes, (n + 1) / 2, (const CK_U(uint32_t) *)(const void *)k, pitch / 2, 1, q, LANES, scores, LANES, add);
}

void ck_attention_sum(const uint32_t *weights, const uint32_t *v, size_t keys, size_t rows, size_t width, float *acc, bool add, bool amx) {
    if (amx) {
        const size_t lanes = rows > 16 ? 32 : 16;
        tiles(width, lanes, (keys + 31) / 32, (const uint16_t *)(const void *)v, 64, width * 32, 512, weights, acc, add);
    } else {
        product(rows, width, (keys + 1) / 2, weights, 1, LANES, v, width, acc, width, add);
    }
}
#endif
