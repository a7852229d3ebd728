// Attention in tiles of QB query rows by KB keys. The queries of a block are turned once, so that a vector holds 16 queries (lanes)
// and K is read as it lies; the running maximum and sum of each query rescale its accumulated output when a larger score
// appears. With very few queries a vector holds keys instead ("lean").
#ifndef CK_TIER
#include "attention.h"

// Most elements of a head that are in scratch at once; longer heads are worked on in such chunks.
enum { CHUNK = 1024 };

/// Where a tile's numbers are in scratch, in floats.
typedef struct layout {
    size_t rows, keys, depth, width;  // of a tile; of a chunk of a head, rounded up to 16
    float *q, *k, *v, *scores, *acc;
    ck_attention_state s;
} layout;

static size_t layout_of(layout *t, size_t head_size, size_t v_head_size, void *scratch) {
    const size_t depth = ck_round_up(ck_min(head_size, CHUNK), 16), width = ck_round_up(ck_min(v_head_size, CHUNK), 16);
    const bool big = depth + width > 1024;
    const size_t rows = big ? 32 : 64, keys = big ? 48 : 96;
    const size_t sizes[] = {rows * depth, keys * depth, keys * width, keys * rows, keys * rows,   rows * width,
                            4 * ck_max(depth, keys), rows, rows, rows, rows, rows};
    size_t at[13] = {0};
    for (int i = 0; i < 12; i++) at[i + 1] = at[i] + ck_round_up(sizes[i], 16);
    if (t) {
        float *f = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
        *t = (layout){.rows = rows, .keys = keys, .depth = depth, .width = width, .q = f, .k = f + at[1], .v = f + at[2],
                      .scores = f + at[3], .acc = f + at[5]};
        t->s = (ck_attention_state){.keys = keys, .line_size = ck_max(depth, keys), .bias = f + at[4], .line = f + at[6],
                                    .top = f + at[7], .sum = f + at[8], .shrink = f + at[9], .from = (int32_t *)(f + at[10]),
                                    .to = (int32_t *)(f + at[11])};
    }
    return at[12] * sizeof(float) + 64;
}

size_t ck_attention_row_block(size_t head_size, size_t v_head_size) {
    return ck_round_up(ck_min(head_size, CHUNK), 16) + ck_round_up(ck_min(v_head_size, CHUNK), 16) > 1024 ? 32 : 64;
}

size_t ck_attention_scratch_bytes(size_t head_size, size_t v_head_size) {
    return layout_of(NULL, head_size, v_head_size, NULL);
}

#define CK_SELF "attention.c"
#include "tiers.h"

void ck_attention_rows(const ck_attention *attention, size_t begin, size_t end, void *scratch) {
    CK_CALL(attention, attention, begin, end, 0, SIZE_MAX, NULL, scratch);
}

void ck_attention_partial(const ck_attention *attention, size_t begin, size_t end, size_t key_begin, size_t key_end,
                          float *partial, void *scratch) {
    CK_CALL(attention, attention, begin, end, key_begin, key_end, partial, scratch);
}

#else

#include "attention_lanes.h"

#if W == 16
#define NV 4
#else
#define NV 2
#endif
#if W >= 8
#define ROWS 6
#else
#define ROWS 4
#endif

/// c[rows][vectors * W] (+)= a times b: a(i, p) = a[i * a_row + p * a_col], b's rows ldb apart, k products.
static inline __attribute__((always_inline)) void T(small)(const int rows, const int vectors, size_t k, const CK_U(float) *a,
                                                           size_t a_row, size_t a_col, const CK_U(float) *b, size_t ldb, float *c,
                                                           size_t ldc, bool add) {
    vf acc[ROWS][NV];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) acc[i][v] = add ? LD(c + (size_t)i * ldc + v * W) : VS(0);
    }
    for (size_t p = 0; p < k; p++, b += ldb, a += a_col) {
        vf y[NV];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) y[v] = LD(b + v * W);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            const vf x = VS(a[(size_t)i * a_row]);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) acc[i][v] = VFMA(x, y[v], acc[i][v]);
        }
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) ST(c + (size_t)i * ldc + v * W, acc[i][v]);
    }
}

/// The same for any number of rows and of columns, a multiple of W.
static inline __attribute__((always_inline)) void T(product)(size_t rows, size_t cols, size_t k, const CK_U(float) *a, size_t a_row,
                                                             size_t a_col, const CK_U(float) *b, size_t ldb, float *c, size_t ldc,
                                                             bool add) {
    size_t j = 0;
#define SMALL(n, vectors) T(small)(n, vectors, k, a + i * a_row, a_row, a_col, b + j, ldb, c + i * ldc + j, ldc, add)
#define COLUMNS(vectors)                                                       \
    for (; j + (vectors) * W <= cols; j += (vectors) * W) {                    \
        size_t i = 0;                                                          \
        for (; i + ROWS <= rows; i += ROWS) SMALL(ROWS, vectors);              \
        if (i + 4 <= rows && ROWS > 4) SMALL(4, vectors), i += 4;              \
        if (i + 2 <= rows) SMALL(2, vectors), i += 2;                          \
        if (i < rows) SMALL(1, vectors);                                       \
    }
    COLUMNS(NV)
#if NV > 2
    COLUMNS(2)
#endif
    COLUMNS(1)
#undef COLUMNS
#undef SMALL
}

/// scores[j][lane] (+)= k_j . q_lane
static void T(multiply_keys)(size_t keys, size_t lanes, size_t depth, const CK_U(float) *k, size_t k_row, const CK_U(float) *q,
                             float *scores, bool add) {
    T(product)(keys, lanes, depth, k, k_row, 1, q, lanes, scores, lanes, add);
}

/// acc[r] += sum over j of weight(r, j) v_j; weights stand as [j][r] in rows of `lanes`, or as [r][j] where lanes is 0.
static void T(add_values)(size_t rows, size_t width, size_t keys, const CK_U(float) *weights, size_t lanes, size_t row_size,
                          const CK_U(float) *v, size_t v_row, float *acc, size_t acc_row) {
    if (lanes) {
        T(product)(rows, width, keys, weights, 1, lanes, v, v_row, acc, acc_row, true);
    } else {
        T(product)(rows, width, keys, weights, row_size, 1, v, v_row, acc, acc_row, true);
    }
}

/// scores[r][j] (+)= q_r . k_j, four keys at once; scores has room for keys rounded up to 4. Meanwhile as many
/// rows of `next`, which are read after the keys, are asked for: `next_bytes` of each, next_row bytes apart.
static void T(dots)(size_t rows, size_t keys, size_t depth, const CK_U(float) *q, size_t q_row, const CK_U(float) *k, size_t k_row,
                    float *scores, size_t row_size, bool add, const char *next, size_t next_row, size_t next_bytes) {
    enum { AHEAD = 12 };
    for (size_t j = 0; j < keys; j += 4) {
        const CK_U(float) *x[4];
        for (size_t i = j + AHEAD; i < ck_min(j + AHEAD + 4, keys); i++) {
            for (size_t d = 0; d < depth; d += 16) __builtin_prefetch(k + i * k_row + d);
        }
        for (size_t i = j; i < ck_min(j + 4, keys); i++) {
            for (size_t d = 0; d < next_bytes; d += 64) __builtin_prefetch(next + i * next_row + d);
        }
        for (size_t i = 0; i < 4; i++) x[i] = k + ck_min(j + i, keys - 1) * k_row;
        for (size_t r = 0; r < rows; r++) {
            const CK_U(float) *y = q + r * q_row;
            vf s[4] = {VS(0), VS(0), VS(0), VS(0)};
            size_t d = 0;
            for (; d + W <= depth; d += W) {
                const vf b = LD(y + d);
#pragma clang loop unroll(full)
                for (int i = 0; i < 4; i++) s[i] = VFMA(b, LD(x[i] + d), s[i]);
            }
            if (d < depth) {
                const vf b = LDN(y + d, depth - d);
                for (int i = 0; i < 4; i++) s[i] = VFMA(b, LDN(x[i] + d, depth - d), s[i]);
            }
            const ck_f32x4 e = T(fold)(s[0]), f = T(fold)(s[1]), g = T(fold)(s[2]), h = T(fold)(s[3]);
            const ck_f32x4 m = __builtin_shufflevector(e, f, 0, 4, 2, 6) + __builtin_shufflevector(e, f, 1, 5, 3, 7);
            const ck_f32x4 n = __builtin_shufflevector(g, h, 0, 4, 2, 6) + __builtin_shufflevector(g, h, 1, 5, 3, 7);
            ck_f32x4 z = __builtin_shufflevector(m, n, 0, 1, 4, 5) + __builtin_shufflevector(m, n, 2, 3, 6, 7);
            ck_f32x4_at *place = (ck_f32x4_at *)(scores + r * row_size + j);
            *place = add ? *place + z : z;
        }
    }
}

/// Products of W lanes with `keys` keys become weights; updates maxima and sums. False if all weights are zero and none was
/// written.
static bool T(weigh_lanes)(const T(shaping) * how, size_t keys, size_t lanes, size_t lane, float *scores,
                           const ck_attention_state *t) {
    const vf old = LD(t->top + lane);
    vf top, scale;  // the scale is 1: the queries have it
    if (!T(shape_lanes)(how, keys, lanes, lane, scores, t, &top, &scale)) {
        ST(t->shrink + lane, VS(1));
        return false;
    }
    float *s = scores + lane;
    const vf shift = vsel(top == VS(-INFINITY), VS(0), top);
    vf sum = VS(0), sum2 = VS(0);
    size_t j = 0;
    for (; j + 2 <= keys; j += 2) {
        const vf e = vexp_neg(LD(s + j * lanes) - shift), f = vexp_neg(LD(s + (j + 1) * lanes) - shift);
        ST(s + j * lanes, e);
        ST(s + (j + 1) * lanes, f);
        sum += e;
        sum2 += f;
    }
    if (j < keys) {
        const vf e = vexp_neg(LD(s + j * lanes) - shift);
        ST(s + j * lanes, e);
        sum += e;
    }
    const vf shrink = vexp_neg(old - shift);
    ST(t->shrink + lane, shrink);
    ST(t->sum + lane, VFMA(LD(t->sum + lane), shrink, sum + sum2));
    ST(t->top + lane, top);
    return true;
}

/// The rows of V of a tile as floats in whole vectors.
static const CK_U(float) *T(load_values)(const ck_attention *p, const layout *t, const ck_attention_tile *at, size_t column, size_t n,
                                         size_t rows, size_t *v_row) {
    const size_t stride = at->part->v_row;
    const void *v = ck_attention_element(at->part->v, p->v_type, at->at * stride + column);
    *v_row = stride;
    // Many rows read a tile of V often enough that closing its gaps pays.
    if (p->v_type == CK_ATTENTION_F32 && n % W == 0 && (stride == n || rows < 24)) return v;
    const size_t wide = ck_round_up(n, W);
    for (size_t j = 0; j < at->count; j++) {
        ck_attention_widen(t->v + j * wide, ck_attention_element(v, p->v_type, j * stride), p->v_type, n);
        for (size_t d = n; d < wide; d++) t->v[j * wide + d] = 0;
    }
    *v_row = wide;
    return t->v;
}

/// The queries of a block as floats, times the scale: turned, or row by row where lanes is 0.
static void T(load_queries)(const ck_attention *p, const layout *t, size_t row0, size_t rows, size_t lanes, size_t column,
                            size_t n) {
    if (lanes) {
        ck_attention_turn(p, &t->s, t->q, lanes, row0, rows, column, n, ck_attention_query, p->q_type);
    } else {
        for (size_t r = 0; r < rows; r++) ck_attention_widen(t->q + r * t->depth, ck_attention_query(p, row0 + r, column), p->q_type, n);
    }
    const size_t count = lanes ? n * lanes : rows * t->depth;
    for (size_t i = 0; i < count; i += W) ST(t->q + i, LD(t->q + i) * VS(p->scale));
}

/// Products of a tile's keys with the block's queries, over all chunks of a head.
static void T(score)(const ck_attention *p, const layout *t, const ck_attention_tile *at, size_t row0, size_t rows, size_t lanes) {
    for (size_t c = 0; c < p->head_size; c += t->depth) {
        const size_t n = ck_min(t->depth, p->head_size - c), stride = at->part->k_row;
        if (p->head_size > t->depth) T(load_queries)(p, t, row0, rows, lanes, c, n);
        const CK_U(float) *k = ck_attention_element(at->part->k, p->k_type, at->at * stride + c);
        size_t k_row = stride;
        if (p->k_type != CK_ATTENTION_F32) {
            for (size_t j = 0; j < at->count; j++)
                ck_attention_widen(t->k + j * n, ck_attention_element(at->part->k, p->k_type, (at->at + j) * stride + c), p->k_type, n);
            k = t->k;
            k_row = n;
        }
        if (lanes) {
            T(multiply_keys)(at->count, lanes, n, k, k_row, t->q, t->scores, c > 0);
        } else {
            // V, which is read next, is on its way while the last of the products are made.
            const void *v = ck_attention_element(at->part->v, p->v_type, at->at * at->part->v_row);
            const size_t width = p->v_type == CK_ATTENTION_F32 ? 4 : 2;
            T(dots)(rows, at->count, n, t->q, t->depth, k, k_row, t->scores, t->keys, c > 0, v, at->part->v_row * width,
                    c + n >= p->head_size ? p->v_head_size * width : 0);
        }
    }
}

/// One block of rows over keys [key_begin, key_end), columns [column, column + n) of V: t->acc, t->s.top and t->s.sum.
static void T(sweep)(const ck_attention *p, const layout *t, size_t row0, size_t rows, size_t key_begin, size_t key_end,
                     size_t column, size_t n) {
    const bool lean = p->q_length * p->group * 4 <= W;
    const size_t lanes = lean ? 0 : ck_round_up(rows, W), wide = ck_round_up(n, W);
    size_t lo[64], hi[64], first = SIZE_MAX, last = 0;
    for (size_t r = 0; r < rows; r++) {
        ck_attention_visible(p, row0 + r, &lo[r], &hi[r]);
        if (lo[r] < hi[r]) first = ck_min(first, lo[r]);
        last = ck_max(last, hi[r]);
    }
    for (size_t r = 0; r < ck_max(rows, lanes); r++) t->s.top[r] = -INFINITY, t->s.sum[r] = 0;
    memset(t->acc, 0, rows * t->width * sizeof *t->acc);
    if (first > last) return;
    if (p->head_size <= t->depth) T(load_queries)(p, t, row0, rows, lanes, 0, p->head_size);
    key_end = ck_min(key_end, p->part[0].length + p->part[1].length);
    ck_attention_tile at;
    for (size_t key = key_begin; ck_attention_next_tile(p, key, key_end, t->keys, &at); key = at.key + at.count) {
        if (at.key + at.count <= first) continue;
        if (at.key >= last) break;
        T(shaping) how = {.scale = 1, .softcap = p->softcap};
        at.count = ck_min(at.count, last - at.key);
        how.is_cut = T(cut)(&t->s, lo, hi, rows, lanes, &at);
        if (p->mask && !T(load_bias)(p, &t->s, &at, row0, rows, lanes, &how)) continue;
        T(score)(p, t, &at, row0, rows, lanes);
        if (lean) {
            for (size_t r = 0; r < rows; r++) T(weigh_row)(&how, at.count, r, t->scores + r * t->keys, &t->s);
        } else {
            bool any = false, written[64 / W];
            for (size_t lane = 0; lane < lanes; lane += W)
                any |= written[lane / W] = T(weigh_lanes)(&how, at.count, lanes, lane, t->scores, &t->s);
            if (!any) continue;
            for (size_t lane = 0; lane < lanes; lane += W) {
                for (size_t j = 0; j < at.count && !written[lane / W]; j++) ST(t->scores + j * lanes + lane, VS(0));
            }
        }
        for (size_t r = 0; r < rows; r++) {
            if (t->s.shrink[r] == 1) continue;
            float *acc = t->acc + r * t->width;
            for (size_t d = 0; d < wide; d += W) ST(acc + d, LD(acc + d) * VS(t->s.shrink[r]));
        }
        size_t v_row;
        const CK_U(float) *v = T(load_values)(p, t, &at, column, n, rows, &v_row);
        T(add_values)(rows, wide, at.count, t->scores, lanes, t->keys, v, v_row, t->acc, t->width);
    }
}

static void T(attention)(const ck_attention *p, size_t begin, size_t end, size_t key_begin, size_t key_end,
                         float *partial, void *scratch) {
    layout place;
    layout_of(&place, p->head_size, p->v_head_size, scratch);
    const layout *t = &place;
    for (size_t row0 = begin; row0 < end; row0 += t->rows) {
        const size_t rows = ck_min(t->rows, end - row0);
        for (size_t column = 0; column < p->v_head_size; column += t->width) {
            const size_t n = ck_min(t->width, p->v_head_size - column);
            T(sweep)(p, t, row0, rows, key_begin, key_end, column, n);
            for (size_t r = 0; r < rows; r++) {
                float *acc = t->acc + r * t->width;
                if (partial) {
                    float *to = partial + (row0 + r - begin) * (p->v_head_size + 2);
                    memcpy(to + column, acc, n * sizeof *acc);
                    to[p->v_head_size] = t->s.top[r];
                    to[p->v_head_size + 1] = t->s.sum[r];
                    continue;
                }
                T(divide)(p, acc, n, t->s.sum[r]);
                ck_attention_store(p, row0 + r, column, n, acc);
            }
        }
    }
}

#undef NV
#undef ROWS
#endif
