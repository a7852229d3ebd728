// Attention whose two products have bfloat16 factors and float32 sums; the softmax between them is float32. A block of queries, up to
// 256, is packed once in groups of 32 and passes over tiles of keys that are packed when the first group needs them.
#include "amx.h"
#include "attention_bf16.h"
#include "include/ck_bf16.h"
#include "include/ck_isa.h"

// Most elements of a head that are in scratch at once; longer heads are worked on in such chunks.
enum { LANES = CK_ATTENTION_LANES, CHUNK = 1024, MOST_ROWS = 256, LEAN = 4 };
// Rows up to which vdpbf16ps is no faster from float32 keys and values, which it has to round first.
enum { FEW = 8 };

size_t ck_attention_bf16_row_block(size_t head_size, size_t v_head_size) {
    const size_t sum = ck_min(head_size, CHUNK) + ck_min(v_head_size, CHUNK);
    return sum <= 256 ? MOST_ROWS : sum <= 512 ? 128 : sum <= 1024 ? 64 : 32;
}

int32_t ck_attention_bf16_kernel(size_t rows, ck_attention_type q, ck_attention_type k, ck_attention_type v) {
    const int32_t kernel = ck_bf16_kernel();
    const bool has_dp = (ck_isa_features() & CK_FEATURE_AVX512_BF16) != 0;
    if (kernel == CK_BF16_WIDENED || !has_dp) return CK_BF16_WIDENED;
    if (q == CK_ATTENTION_F16 || k == CK_ATTENTION_F16 || v == CK_ATTENTION_F16) return CK_BF16_WIDENED;
    const bool is_wide = k == CK_ATTENTION_F32 || v == CK_ATTENTION_F32;
    if (is_wide && rows <= (kernel == CK_BF16_AMX ? LEAN : FEW)) return CK_BF16_WIDENED;
    return rows > LEAN ? kernel : CK_BF16_AVX512;
}

#if CK_X86
/// Where a tile's numbers are in scratch.
typedef struct layout {
    size_t rows, keys, depth, width, pitch;
    uint32_t *q, *v, *weights;
    uint16_t *k;
    float *scores, *acc;
    ck_attention_state s;
} layout;

static size_t layout_of(layout *t, size_t head_size, size_t v_head_size, void *scratch) {
    const size_t depth = ck_round_up(ck_min(head_size, CHUNK), 32), width = ck_round_up(ck_min(v_head_size, CHUNK), 32);
    const size_t rows = ck_attention_bf16_row_block(head_size, v_head_size), keys = rows > 32 ? 128 : 64, pitch = ck_bf16_pitch(depth);
    // In words of 4 bytes.
    const size_t sizes[] = {rows * depth / 2, keys * pitch / 2, keys * width / 2, keys * LANES, keys * LANES / 2, keys * LANES,
                            rows * width, 4 * keys, rows, rows, rows, rows, rows};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    size_t at[COUNT + 1] = {0};
    for (int i = 0; i < COUNT; i++) at[i + 1] = at[i] + ck_round_up(sizes[i], 16);
    if (t) {
        uint32_t *w = (uint32_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
        float *f = (float *)(void *)w;
        *t = (layout){.rows = rows, .keys = keys, .depth = depth, .width = width, .pitch = pitch, .q = w, .k = (uint16_t *)(w + at[1]),
                      .v = w + at[2], .scores = f + at[3], .weights = w + at[4], .acc = f + at[6]};
        t->s = (ck_attention_state){.keys = keys, .line_size = keys, .bias = f + at[5], .line = f + at[7], .top = f + at[8],
                                    .sum = f + at[9], .shrink = f + at[10], .from = (int32_t *)(w + at[11]), .to = (int32_t *)(w + at[12])};
    }
    return at[COUNT] * 4 + 64;
}

#define CK_TIER 2
#include "tier_begin.h"
#include "attention_lanes.h"
#include "tier_end.h"

/// Some of a block's rows: lanes of a vector or two.
typedef struct group {
    ck_attention_state s;
    size_t row0, rows, lanes;
    size_t first, last;  // keys that any row may see; those in between that all of them may
    size_t all_from, all_to;
    const size_t *lo, *hi;
    uint32_t *q;
    float *acc;
    bool has_sums;
} group;

/// e^x for x <= 0 within 3e-6; below 2^-126: zero.
static inline __attribute__((always_inline)) CK_DP __m512 power(__m512 x) {
    const __m512 magic = _mm512_set1_ps(12582912.0f), log2e = _mm512_set1_ps(1.44269504f);
    const __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, log2e, magic), magic), r = _mm512_fmsub_ps(x, log2e, n);
    // 2^r for |r| <= 1/2: least largest relative error, 1 at 0.
    __m512 p = _mm512_set1_ps(0x1.3a02ccp-7f);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.c9fc46p-5f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.ec0378p-3f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.62e12cp-1f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    return _mm512_maskz_scalef_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3f), _CMP_NLT_UQ), p, n);
}

/// Products of 16 lanes with `keys` keys become weights in pairs, zeros up to a multiple of 32 keys; updates maxima and sums. False if
/// all weights are zero.
static CK_DP bool weigh(const shaping_avx512 *how, size_t keys, size_t lane, float *scores, uint32_t *weights, const ck_attention_state *s) {
    vf_avx512 most, factor;
    const __m512 old = _mm512_loadu_ps(s->top + lane);
    const bool any = shape_lanes_avx512(how, keys, LANES, lane, scores, s, &most, &factor);
    const size_t pairs = ck_round_up(keys, 32) / 2;
    weights += lane;
    if (!any) {
        _mm512_storeu_ps(s->shrink + lane, _mm512_set1_ps(1));
        for (size_t j = 0; j < pairs; j++) _mm512_storeu_si512(weights + j * LANES, _mm512_setzero_si512());
        return false;
    }
    const __m512 top = (__m512)most, scale = (__m512)factor, zero = _mm512_setzero_ps();
    const __m512 shift = _mm512_mask_blend_ps(_mm512_cmp_ps_mask(top, _mm512_set1_ps(-INFINITY), _CMP_EQ_OQ), top, zero);
    __m512 sum = zero, sum2 = zero;
    const float *x = scores + lane;
    for (size_t j = 0; j < keys; j += 2, x += 2 * LANES, weights += LANES) {
        const __m512 e = power(_mm512_fmsub_ps(_mm512_loadu_ps(x), scale, shift));
        const __m512 f = j + 1 < keys ? power(_mm512_fmsub_ps(_mm512_loadu_ps(x + LANES), scale, shift)) : zero;
        _mm512_storeu_si512(weights, ck_attention_interleave((__m512i)_mm512_cvtne2ps_pbh(f, e)));
        sum = _mm512_add_ps(sum, e);
        sum2 = _mm512_add_ps(sum2, f);
    }
    for (size_t j = (keys + 1) / 2; j < pairs; j++, weights += LANES) _mm512_storeu_si512(weights, _mm512_setzero_si512());
    const __m512 shrink = power(_mm512_sub_ps(old, shift));
    _mm512_storeu_ps(s->shrink + lane, shrink);
    _mm512_storeu_ps(s->sum + lane, _mm512_fmadd_ps(_mm512_loadu_ps(s->sum + lane), shrink, _mm512_add_ps(sum, sum2)));
    _mm512_storeu_ps(s->top + lane, top);
    return true;
}

static CK_DP void shrink_sums(const group *g, size_t width, bool amx) {
    bool none = true;
    for (size_t lane = 0; lane < g->lanes; lane += 16)
        none &= _mm512_cmp_ps_mask(_mm512_loadu_ps(g->s.shrink + lane), _mm512_set1_ps(1), _CMP_NEQ_UQ) == 0;
    if (none) return;
    for (size_t lane = 0; amx && lane < g->lanes; lane += 16) {
        const __m512 by = _mm512_loadu_ps(g->s.shrink + lane);
        float *at = g->acc + lane;
        for (size_t d = 0; d < width; d++, at += LANES) _mm512_storeu_ps(at, _mm512_mul_ps(_mm512_loadu_ps(at), by));
    }
    for (size_t r = 0; !amx && r < g->rows; r++) {
        const __m512 by = _mm512_set1_ps(g->s.shrink[r]);
        float *at = g->acc + r * width;
        for (size_t d = 0; d < width; d += 16) _mm512_storeu_ps(at + d, _mm512_mul_ps(_mm512_loadu_ps(at + d), by));
    }
}

/// Columns of a result's row, or of a partial one, to be written by 16.
static inline __attribute__((always_inline)) CK_DP void store_16(void *at, ck_attention_type type, __m512 x, size_t left) {
    const __mmask16 mask = left >= 16 ? 0xffff : (__mmask16)((1u << left) - 1);
    switch (type) {
    case CK_ATTENTION_BF16: _mm256_mask_storeu_epi16(at, mask, (__m256i)_mm512_cvtneps_pbh(x)); break;
    case CK_ATTENTION_F16: _mm256_mask_storeu_epi16(at, mask, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT)); break;
    default: _mm512_mask_storeu_ps(at, mask, x); break;
    }
}

/// The group's output rows, or partial ones.
static CK_DP void finish(const ck_attention *p, const layout *t, const group *g, size_t column, size_t n, float *partial, size_t begin,
                         bool amx) {
    if (!g->has_sums) memset(g->acc, 0, LANES * t->width * sizeof *g->acc);
    const ck_attention_type type = partial ? CK_ATTENTION_F32 : p->out_type;
    const size_t size = type == CK_ATTENTION_F32 ? 4 : 2;
    for (size_t r0 = 0; r0 < g->rows; r0 += 16) {
        const size_t rows = ck_min(16, g->rows - r0);
        const __m512 sum = _mm512_loadu_ps(g->s.sum + r0);
        const __mmask16 none = partial ? 0 : _mm512_cmp_ps_mask(sum, _mm512_setzero_ps(), _CMP_EQ_OQ);
        const __m512 one = _mm512_set1_ps(1), masked = _mm512_set1_ps(p->masked_value);
        // 1 / sum, and what stands there where the sum is zero.
        float inverse[16];
        _mm512_storeu_ps(inverse, partial ? one : _mm512_div_ps(one, sum));
        const __m512 by = _mm512_loadu_ps(inverse);
        char *to[16];
        for (size_t r = 0; r < rows; r++) {
            if (partial) {
                float *line = partial + (g->row0 + r0 + r - begin) * (p->v_head_size + 2);
                line[p->v_head_size] = g->s.top[r0 + r];
                line[p->v_head_size + 1] = g->s.sum[r0 + r];
                to[r] = (char *)(line + column);
            } else {
                to[r] = ck_attention_result(p, g->row0 + r0 + r, column);
            }
        }
        for (size_t d = 0; d < n && amx; d += 16) {
            __m512i x[16];
            for (size_t i = 0; i < 16; i++) {
                const __m512 y = _mm512_mul_ps(_mm512_loadu_ps(g->acc + (d + i) * LANES + r0), by);
                x[i] = (__m512i)_mm512_mask_blend_ps(none, y, masked);
            }
            ck_attention_turn_16(x);
            for (size_t r = 0; r < rows; r++) store_16(to[r] + d * size, type, (__m512)x[r], n - d);
        }
        for (size_t r = 0; r < rows && !amx; r++) {
            const float *line = g->acc + (r0 + r) * t->width;
            const __m512 scale = _mm512_set1_ps(inverse[r]);
            for (size_t d = 0; d < n; d += 16) {
                const __m512 y = none >> r & 1 ? masked : _mm512_mul_ps(_mm512_loadu_ps(line + d), scale);
                store_16(to[r] + d * size, type, y, n - d);
            }
        }
    }
}

/// Scores of a tile's keys for a group. Heads that are longer than a chunk (blocks have one group then) are packed chunk by chunk.
static void score(const ck_attention *p, const layout *t, const group *g, const ck_attention_tile *at, size_t keys, bool *has_keys, bool amx) {
    for (size_t c = 0; c < p->head_size; c += t->depth) {
        const size_t n = ck_min(t->depth, p->head_size - c);
        if (p->head_size > t->depth) ck_attention_pack_queries(p, g->row0, g->rows, c, n, g->q);
        if (p->head_size > t->depth || !*has_keys) ck_attention_pack_keys(p, at, c, n, t->k, t->pitch);
        ck_attention_dot(t->k, t->pitch, g->q, keys, n, g->lanes, t->scores, c > 0, amx);
    }
    *has_keys = true;
}

/// A tile of keys for all groups, columns [column, column + n) of V.
static void step(const ck_attention *p, const layout *t, group *groups, size_t count, const ck_attention_tile *tile, size_t column,
                 size_t n, bool amx) {
    bool has_keys = false, has_values = false;
    for (group *g = groups; g < groups + count; g++) {
        if (tile->key + tile->count <= g->first || tile->key >= g->last) continue;
        ck_attention_tile at = *tile;
        at.count = ck_min(at.count, g->last - at.key);
        shaping_avx512 how = {.scale = p->scale, .softcap = p->softcap};
        if (g->all_from > at.key || g->all_to < at.key + at.count)
            how.is_cut = cut_avx512(&g->s, g->lo, g->hi, g->rows, g->lanes, &at);
        if (p->mask && !load_bias_avx512(p, &g->s, &at, g->row0, g->rows, LANES, &how)) continue;
        score(p, t, g, tile, at.count, &has_keys, amx);
        bool any = false;
        for (size_t lane = 0; lane < g->lanes; lane += 16) any |= weigh(&how, at.count, lane, t->scores, t->weights, &g->s);
        if (!any) continue;
        if (g->has_sums) shrink_sums(g, t->width, amx);
        if (!has_values) ck_attention_pack_values(p, tile, column, n, t->v, t->width, amx);
        has_values = true;
        ck_attention_sum(t->weights, t->v, at.count, g->rows, t->width, g->acc, g->has_sums, amx);
        g->has_sums = true;
    }
}

/// A block of rows over keys [key_begin, key_end), columns [column, column + n) of V.
static void sweep(const ck_attention *p, const layout *t, size_t row0, size_t rows, size_t key_begin, size_t key_end, size_t column, size_t n,
                  float *partial, size_t begin, bool amx) {
    group groups[MOST_ROWS / LANES];
    size_t lo[MOST_ROWS], hi[MOST_ROWS], count = 0, first = SIZE_MAX, last = 0;
    for (size_t r = 0; r < rows; r += LANES, count++) {
        group *g = &groups[count];
        *g = (group){.s = t->s, .row0 = row0 + r, .rows = ck_min(LANES, rows - r), .first = SIZE_MAX, .all_to = SIZE_MAX, .lo = lo + r,
                     .hi = hi + r, .q = t->q + r * t->depth / 2, .acc = t->acc + r * t->width};
        g->lanes = g->rows > 16 ? 32 : 16;
        g->s.top += r, g->s.sum += r, g->s.shrink += r;
        for (size_t i = 0; i < LANES; i++) g->s.top[i] = -INFINITY, g->s.sum[i] = 0;
        for (size_t i = r; i < r + g->rows; i++) {
            if (i > 0 && p->left < 0 && p->right < 0) {
                lo[i] = lo[0], hi[i] = hi[0];
            } else {
                ck_attention_visible(p, row0 + i, &lo[i], &hi[i]);
            }
            if (lo[i] < hi[i]) g->first = ck_min(g->first, lo[i]);
            g->last = ck_max(g->last, hi[i]);
            g->all_from = ck_max(g->all_from, lo[i]);
            g->all_to = ck_min(g->all_to, hi[i]);
        }
        first = ck_min(first, g->first);
        last = ck_max(last, g->last);
        if (p->head_size <= t->depth) ck_attention_pack_queries(p, g->row0, g->rows, 0, p->head_size, g->q);
    }
    key_end = ck_min(key_end, p->part[0].length + p->part[1].length);
    ck_attention_tile at;
    for (size_t key = key_begin; first < last && ck_attention_next_tile(p, key, key_end, t->keys, &at); key = at.key + at.count) {
        if (at.key + at.count <= first) continue;
        if (at.key >= last) break;
        at.count = ck_min(at.count, last - at.key);
        step(p, t, groups, count, &at, column, n, amx);
    }
    for (const group *g = groups; g < groups + count; g++) finish(p, t, g, column, n, partial, begin, amx);
}

static void blocks(const ck_attention *p, size_t begin, size_t end, size_t key_begin, size_t key_end, float *partial, void *scratch,
                   bool amx) {
    layout place;
    layout_of(&place, p->head_size, p->v_head_size, scratch);
    if (amx) ck_amx_open();
    for (size_t row0 = begin; row0 < end; row0 += place.rows) {
        for (size_t column = 0; column < p->v_head_size; column += place.width)
            sweep(p, &place, row0, ck_min(place.rows, end - row0), key_begin, key_end, column,
                  ck_min(place.width, p->v_head_size - column), partial, begin, amx);
    }
    if (amx) ck_amx_close();
}
#endif

size_t ck_attention_bf16_scratch_bytes(size_t head_size, size_t v_head_size) {
    const size_t wide = ck_attention_scratch_bytes(head_size, v_head_size);
#if CK_X86
    return ck_max(ck_max(wide, ck_attention_bf16_lean_bytes()), layout_of(NULL, head_size, v_head_size, NULL));
#else
    return wide;
#endif
}

void ck_attention_bf16_rows(const ck_attention *p, size_t begin, size_t end, void *scratch) {
#if CK_X86
    const size_t rows = p->q_length * p->group;
    const int32_t kernel = ck_attention_bf16_kernel(rows, p->q_type, p->k_type, p->v_type);
    if (kernel != CK_BF16_WIDENED) {
        if (rows <= LEAN) return ck_attention_bf16_lean(p, begin, end, 0, SIZE_MAX, NULL, scratch);
        return blocks(p, begin, end, 0, SIZE_MAX, NULL, scratch, kernel == CK_BF16_AMX);
    }
#endif
    ck_attention_rows(p, begin, end, scratch);
}

void ck_attention_bf16_partial(const ck_attention *p, size_t begin, size_t end, size_t key_begin, size_t key_end, float *partial,
                               void *scratch) {
#if CK_X86
    const size_t rows = p->q_length * p->group;
    const int32_t kernel = ck_attention_bf16_kernel(rows, p->q_type, p->k_type, p->v_type);
    if (kernel != CK_BF16_WIDENED) {
        if (rows <= LEAN) return ck_attention_bf16_lean(p, begin, end, key_begin, key_end, partial, scratch);
        return blocks(p, begin, end, key_begin, key_end, partial, scratch, kernel == CK_BF16_AMX);
    }
#endif
    ck_attention_partial(p, begin, end, key_begin, key_end, partial, scratch);
}
