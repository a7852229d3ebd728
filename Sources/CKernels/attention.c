// Attention in tiles of QB query rows by KB keys. The queries of a block are turned once, so that a vector holds 16 queries (lanes)
// and K is read as it lies; the running maximum and sum of each query rescale its accumulated output when a larger score
// appears. With very few queries a vector holds keys instead ("lean").
#ifndef CK_TIER
#include "include/ck_attention.h"
#include "include/ck_convert.h"
#include "internal.h"

// Most elements of a head that are in scratch at once; longer heads are worked on in such chunks.
enum { CHUNK = 1024 };

typedef float ck_f32x4 __attribute__((ext_vector_type(4)));
typedef ck_f32x4 ck_f32x4_at __attribute__((aligned(1), may_alias));

/// Where a tile's numbers are in scratch, in floats.
typedef struct layout {
    size_t rows, keys, depth, width;  // of a tile; of a chunk of a head, rounded up to 16
    float *q, *k, *v, *scores, *bias, *acc, *line, *top, *sum, *shrink;
    int32_t *from, *to;
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
                      .scores = f + at[3], .bias = f + at[4], .acc = f + at[5], .line = f + at[6], .top = f + at[7],
                      .sum = f + at[8], .shrink = f + at[9], .from = (int32_t *)(f + at[10]), .to = (int32_t *)(f + at[11])};
    }
    return at[12] * sizeof(float) + 64;
}

size_t ck_attention_row_block(size_t head_size, size_t v_head_size) {
    return ck_round_up(ck_min(head_size, CHUNK), 16) + ck_round_up(ck_min(v_head_size, CHUNK), 16) > 1024 ? 32 : 64;
}

size_t ck_attention_scratch_bytes(size_t head_size, size_t v_head_size) {
    return layout_of(NULL, head_size, v_head_size, NULL);
}

static const void *element(const void *base, ck_attention_type type, size_t index) {
    return (const char *)base + index * (type == CK_ATTENTION_F32 ? 4 : type == CK_ATTENTION_BOOL ? 1 : 2);
}

/// n numbers of any type as float; bools as what is added to a score.
static void widen(float *out, const void *in, ck_attention_type type, size_t n) {
    switch (type) {
    case CK_ATTENTION_F32: memcpy(out, in, n * sizeof *out); break;
    case CK_ATTENTION_F16: ck_f16_to_f32(out, in, n); break;
    case CK_ATTENTION_BF16: ck_bf16_to_f32(out, in, n); break;
    case CK_ATTENTION_BOOL:
        for (size_t i = 0; i < n; i++) out[i] = ((const uint8_t *)in)[i] ? 0.0f : -INFINITY;
        break;
    }
}

static void narrow(void *out, const CK_U(float) *in, ck_attention_type type, size_t n) {
    switch (type) {
    case CK_ATTENTION_F16: ck_f32_to_f16(out, in, n); break;
    case CK_ATTENTION_BF16: ck_f32_to_bf16(out, in, n); break;
    default: memcpy(out, in, n * sizeof *in); break;
    }
}

static const void *query_row(const ck_attention *p, size_t row, size_t column) {
    return element(p->q, p->q_type, row / p->group * p->q_row + row % p->group * p->q_head + column);
}

static const void *mask_row(const ck_attention *p, size_t row, size_t key) {
    return element(p->mask, p->mask_type, row / p->group * p->mask_row + row % p->group * p->mask_head + key);
}

static void *out_row(const ck_attention *p, size_t row, size_t column) {
    return (void *)element(p->out, p->out_type, row / p->group * p->out_row + row % p->group * p->out_head + column);
}

/// Keys [*lo, *hi) that a row may see.
static void visible(const ck_attention *p, size_t row, size_t *lo, size_t *hi) {
    const ptrdiff_t at = (ptrdiff_t)(row / p->group) + p->offset, total = (ptrdiff_t)(p->part[0].length + p->part[1].length);
    ptrdiff_t first = 0, last = total;
    if (p->right >= 0 && p->right < total - at - 1) last = at + p->right + 1;
    if (p->left >= 0 && at > p->left) first = at - p->left;
    if (last > (ptrdiff_t)p->valid) last = (ptrdiff_t)p->valid;
    if (p->mask && last > (ptrdiff_t)p->covered) last = (ptrdiff_t)p->covered;
    if (last < 0) last = 0;
    if (first > last) first = last;
    *lo = (size_t)first;
    *hi = (size_t)last;
}

/// out[c * out_row + r] = in[r][c] for 4 rows at any addresses.
static inline __attribute__((always_inline)) void turn_4(float *out, size_t out_row, const void *const in[4], size_t n) {
    const CK_U(float) *x[4];
    for (int i = 0; i < 4; i++) x[i] = in[i];
    size_t c = 0;
    for (; c + 4 <= n; c += 4) {
        const ck_f32x4 a = *(const ck_f32x4_at *)(x[0] + c), b = *(const ck_f32x4_at *)(x[1] + c);
        const ck_f32x4 d = *(const ck_f32x4_at *)(x[2] + c), e = *(const ck_f32x4_at *)(x[3] + c);
        const ck_f32x4 f = __builtin_shufflevector(a, b, 0, 4, 1, 5), g = __builtin_shufflevector(d, e, 0, 4, 1, 5);
        const ck_f32x4 h = __builtin_shufflevector(a, b, 2, 6, 3, 7), i = __builtin_shufflevector(d, e, 2, 6, 3, 7);
        float *y = out + c * out_row;
        *(ck_f32x4_at *)y = __builtin_shufflevector(f, g, 0, 1, 4, 5);
        *(ck_f32x4_at *)(y + out_row) = __builtin_shufflevector(f, g, 2, 3, 6, 7);
        *(ck_f32x4_at *)(y + 2 * out_row) = __builtin_shufflevector(h, i, 0, 1, 4, 5);
        *(ck_f32x4_at *)(y + 3 * out_row) = __builtin_shufflevector(h, i, 2, 3, 6, 7);
    }
    for (; c < n; c++) {
        for (int i = 0; i < 4; i++) out[c * out_row + i] = x[i][c];
    }
}

/// The rows of `source` from row0, turned: out[c * lanes + r]. Lanes past the last row repeat it.
static void turn(const ck_attention *p, const layout *t, float *out, size_t lanes, size_t row0, size_t rows, size_t column,
                 size_t n, const void *(*source)(const ck_attention *, size_t, size_t), ck_attention_type type) {
    for (size_t r = 0; r < lanes; r += 4) {
        const void *in[4];
        for (size_t i = 0; i < 4; i++) {
            in[i] = source(p, row0 + ck_min(r + i, rows - 1), column);
            if (type == CK_ATTENTION_F32) continue;
            float *line = t->line + i * ck_max(t->depth, t->keys);
            widen(line, in[i], type, n);
            in[i] = line;
        }
        turn_4(out + r, lanes, in, n);
    }
}

/// What a tile of keys is: part, first key in it and over all, how many.
typedef struct tile {
    const ck_attention_keys *part;
    size_t at, key, count;
} tile;

/// The first tile with a key in [from, end). Tiles do not cross the parts' border; they start at multiples of `step` in a part.
static bool next_tile(const ck_attention *p, size_t from, size_t end, size_t step, tile *t) {
    if (from >= end) return false;
    const size_t past = p->part[0].length, base = from < past ? 0 : past;
    const size_t stop = base == 0 && past > 0 ? ck_min(past, end) : end;
    t->part = &p->part[from < past ? 0 : 1];
    t->key = from;
    t->at = from - base;
    t->count = ck_min(stop, base + (t->at / step + 1) * step) - from;
    return true;
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

void ck_attention_merge(const ck_attention *p, size_t begin, size_t end, const CK_U(float) *partial, size_t count, size_t stride,
                        void *scratch) {
    layout t;
    layout_of(&t, p->head_size, p->v_head_size, scratch);
    const size_t row_size = p->v_head_size + 2;
    for (size_t row = begin; row < end; row++, partial += row_size) {
        float top = -INFINITY, sum = 0;
        for (size_t s = 0; s < count; s++) {
            const CK_U(float) *one = partial + s * stride + p->v_head_size;
            if (one[0] > top) top = one[0];
        }
        const float shift = top == -INFINITY ? 0 : top;
        for (size_t s = 0; s < count; s++) {
            const CK_U(float) *one = partial + s * stride + p->v_head_size;
            sum += one[1] * expf(one[0] - shift);
        }
        for (size_t c0 = 0; c0 < p->v_head_size; c0 += t.width) {
            const size_t n = ck_min(t.width, p->v_head_size - c0);
            for (size_t d = 0; d < n; d++) t.acc[d] = sum == 0 ? p->masked_value : 0;
            for (size_t s = 0; s < count && sum != 0; s++) {
                const CK_U(float) *one = partial + s * stride;
                const float weight = expf(one[p->v_head_size] - shift) / sum;
                // A part without keys has weight zero; its numbers are zeros.
                for (size_t d = 0; d < n; d++) t.acc[d] += one[c0 + d] * weight;
            }
            narrow(out_row(p, row, c0), t.acc, p->out_type, n);
        }
    }
}

#else

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

static inline __attribute__((always_inline)) ck_f32x4 T(fold)(vf a) {
#if W == 16
    const vh h = a.lo + a.hi;
    return h.lo + h.hi;
#elif W == 8
    return a.lo + a.hi;
#else
    return a;
#endif
}

/// scores[r][j] (+)= q_r . k_j, four keys at once; scores has room for keys rounded up to 4.
static void T(dots)(size_t rows, size_t keys, size_t depth, const CK_U(float) *q, size_t q_row, const CK_U(float) *k, size_t k_row,
                    float *scores, size_t row_size, bool add) {
    for (size_t j = 0; j < keys; j += 4) {
        const CK_U(float) *x[4];
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

static inline __attribute__((always_inline)) vf T(top)(vf a, vf b) { return vsel(a > b, a, b); }

static inline __attribute__((always_inline)) vf T(capped)(vf x, float softcap) {
    return VS(softcap) * vtanh(x / VS(softcap));
}

/// What is done to a tile's products before the exponential.
typedef struct T(shaping) {
    float softcap;
    const CK_U(float) *bias;  // [key][lane], or [key] where is_flat; NULL: none
    bool is_flat, is_cut;
} T(shaping);

/// Products of W lanes with `keys` keys become weights; updates maxima and sums. False if all weights are zero and none was
/// written, which an added mask may bring about.
static bool T(weigh_lanes)(const T(shaping) * how, size_t keys, size_t lanes, size_t lane, float *scores, const layout *t) {
    const vf old = LD(t->top + lane);
    vf top = VS(-INFINITY);
    const vi from = LDI(t->from + lane), to = LDI(t->to + lane);
    float *s = scores + lane;
    if (how->softcap > 0 || how->bias || how->is_cut) {
        const CK_U(float) *bias = how->bias ? how->bias + (how->is_flat ? 0 : lane) : NULL;
        for (size_t j = 0; j < keys; j++) {
            vf x = LD(s + j * lanes);
            if (how->softcap > 0) x = T(capped)(x, how->softcap);
            if (bias) x += how->is_flat ? VS(bias[j]) : LD(bias + j * lanes);
            if (how->is_cut) x = vsel((from <= (vi)(int32_t)j) & (to > (vi)(int32_t)j), x, VS(-INFINITY));
            top = vmax(top, x);
            ST(s + j * lanes, x);
        }
        const vi far = top - old < VS(-87.5f);  // false for NaN, and for -inf - -inf
        bool is_zero = true;
        for (int i = 0; i < W; i++) is_zero &= (far[i] | (top[i] == -INFINITY)) != 0;
        if (is_zero) {
            ST(t->shrink + lane, VS(1));
            return false;
        }
        top = vsel(top != top, old, top);  // the NaN itself makes the sum NaN
        top = T(top)(top, old);
    } else {
        vf top2 = old;
        size_t j = 0;
        for (; j + 2 <= keys; j += 2) {
            top = T(top)(LD(s + j * lanes), top);
            top2 = T(top)(LD(s + (j + 1) * lanes), top2);
        }
        if (j < keys) top = T(top)(LD(s + j * lanes), top);
        top = T(top)(top, top2);
    }
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

/// The same for one row whose products with `keys` keys are s[0 ..< keys], with room for whole vectors.
static void T(weigh_row)(const T(shaping) * how, size_t keys, size_t row, float *s, const layout *t) {
    const size_t wide = ck_round_up(keys, W);
    vf top = VS(-INFINITY);
    for (size_t j = 0; j < wide; j += W) {
        vf x = LD(s + j);
        if (how->softcap > 0) x = T(capped)(x, how->softcap);
        if (how->bias) x += LD(how->bias + (how->is_flat ? 0 : row * t->keys) + j);
        ST(s + j, x);
    }
    for (size_t j = 0; how->is_cut && j < keys; j++) {
        if ((int32_t)j < t->from[row] || (int32_t)j >= t->to[row]) s[j] = -INFINITY;
    }
    for (size_t j = keys; j < wide; j++) s[j] = -INFINITY;
    for (size_t j = 0; j < wide; j += W) top = T(top)(LD(s + j), top);
    float most = t->top[row];
    for (int i = 0; i < W; i++) most = top[i] > most ? top[i] : most;
    const vf shift = VS(most == -INFINITY ? 0 : most);
    vf sum = VS(0);
    for (size_t j = 0; j < wide; j += W) {
        const vf e = vexp_neg(LD(s + j) - shift);
        ST(s + j, e);
        sum += e;
    }
    const float shrink = vexp_neg(VS(t->top[row]) - shift)[0];
    t->shrink[row] = shrink;
    t->sum[row] = t->sum[row] * shrink + vhsum(sum);
    t->top[row] = most;
}

/// The tile's bias; false if it forbids every key of the tile to every row.
static bool T(load_bias)(const ck_attention *p, const layout *t, const tile *at, size_t row0, size_t rows, size_t lanes,
                         T(shaping) * how) {
    how->is_flat = p->mask_row == 0 && (p->mask_head == 0 || p->group == 1);
    how->bias = t->bias;
    size_t count = at->count;
    if (how->is_flat) {
        widen(t->bias, mask_row(p, 0, at->key), p->mask_type, count);
    } else if (lanes) {
        turn(p, t, t->bias, lanes, row0, rows, at->key, count, mask_row, p->mask_type);
        count *= lanes;
    } else {
        for (size_t r = 0; r < rows; r++) {
            widen(t->bias + r * t->keys, mask_row(p, row0 + r, at->key), p->mask_type, at->count);
            for (size_t j = at->count; j < ck_round_up(at->count, W); j++) t->bias[r * t->keys + j] = 0;
        }
        return true;
    }
    for (size_t j = count; j < ck_round_up(count, W); j++) t->bias[j] = -INFINITY;
    vf top = VS(-INFINITY);
    for (size_t j = 0; j < count; j += W) top = vmax(top, LD(t->bias + j));
    return vhmax(top) != -INFINITY;
}

/// The rows of V of a tile as floats in whole vectors.
static const CK_U(float) *T(load_values)(const ck_attention *p, const layout *t, const tile *at, size_t column, size_t n,
                                         size_t rows, size_t *v_row) {
    const size_t stride = at->part->v_row;
    const void *v = element(at->part->v, p->v_type, at->at * stride + column);
    *v_row = stride;
    // Many rows read a tile of V often enough that closing its gaps pays.
    if (p->v_type == CK_ATTENTION_F32 && n % W == 0 && (stride == n || rows < 24)) return v;
    const size_t wide = ck_round_up(n, W);
    for (size_t j = 0; j < at->count; j++) {
        widen(t->v + j * wide, element(v, p->v_type, j * stride), p->v_type, n);
        for (size_t d = n; d < wide; d++) t->v[j * wide + d] = 0;
    }
    *v_row = wide;
    return t->v;
}

/// The queries of a block as floats, times the scale: turned, or row by row where lanes is 0.
static void T(load_queries)(const ck_attention *p, const layout *t, size_t row0, size_t rows, size_t lanes, size_t column,
                            size_t n) {
    if (lanes) {
        turn(p, t, t->q, lanes, row0, rows, column, n, query_row, p->q_type);
    } else {
        for (size_t r = 0; r < rows; r++) widen(t->q + r * t->depth, query_row(p, row0 + r, column), p->q_type, n);
    }
    const size_t count = lanes ? n * lanes : rows * t->depth;
    for (size_t i = 0; i < count; i += W) ST(t->q + i, LD(t->q + i) * VS(p->scale));
}

/// Products of a tile's keys with the block's queries, over all chunks of a head.
static void T(score)(const ck_attention *p, const layout *t, const tile *at, size_t row0, size_t rows, size_t lanes) {
    for (size_t c = 0; c < p->head_size; c += t->depth) {
        const size_t n = ck_min(t->depth, p->head_size - c), stride = at->part->k_row;
        if (p->head_size > t->depth) T(load_queries)(p, t, row0, rows, lanes, c, n);
        const CK_U(float) *k = element(at->part->k, p->k_type, at->at * stride + c);
        size_t k_row = stride;
        if (p->k_type != CK_ATTENTION_F32) {
            for (size_t j = 0; j < at->count; j++)
                widen(t->k + j * n, element(at->part->k, p->k_type, (at->at + j) * stride + c), p->k_type, n);
            k = t->k;
            k_row = n;
        }
        if (lanes) {
            T(multiply_keys)(at->count, lanes, n, k, k_row, t->q, t->scores, c > 0);
        } else {
            T(dots)(rows, at->count, n, t->q, t->depth, k, k_row, t->scores, t->keys, c > 0);
        }
    }
}

/// The limits of each row within a tile; false if every row sees all of it.
static bool T(cut)(const layout *t, const size_t *lo, const size_t *hi, size_t rows, size_t lanes, const tile *at) {
    bool is_cut = false;
    for (size_t r = 0; r < rows; r++) {
        const size_t first = lo[r] > at->key ? ck_min(lo[r] - at->key, at->count) : 0;
        const size_t last = hi[r] > at->key ? ck_min(hi[r] - at->key, at->count) : 0;
        t->from[r] = (int32_t)first;
        t->to[r] = (int32_t)last;
        is_cut |= first > 0 || last < at->count;
    }
    for (size_t r = rows; r < lanes; r++) t->from[r] = t->from[rows - 1], t->to[r] = t->to[rows - 1];
    return is_cut;
}

/// One block of rows over keys [key_begin, key_end), columns [column, column + n) of V: t->acc, t->top and t->sum.
static void T(sweep)(const ck_attention *p, const layout *t, size_t row0, size_t rows, size_t key_begin, size_t key_end,
                     size_t column, size_t n) {
    const bool lean = p->q_length * p->group * 4 <= W;
    const size_t lanes = lean ? 0 : ck_round_up(rows, W), wide = ck_round_up(n, W);
    size_t lo[64], hi[64], first = SIZE_MAX, last = 0;
    for (size_t r = 0; r < rows; r++) {
        visible(p, row0 + r, &lo[r], &hi[r]);
        if (lo[r] < hi[r]) first = ck_min(first, lo[r]);
        last = ck_max(last, hi[r]);
    }
    for (size_t r = 0; r < ck_max(rows, lanes); r++) t->top[r] = -INFINITY, t->sum[r] = 0;
    memset(t->acc, 0, rows * t->width * sizeof *t->acc);
    if (first > last) return;
    if (p->head_size <= t->depth) T(load_queries)(p, t, row0, rows, lanes, 0, p->head_size);
    key_end = ck_min(key_end, p->part[0].length + p->part[1].length);
    tile at;
    for (size_t key = key_begin; next_tile(p, key, key_end, t->keys, &at); key = at.key + at.count) {
        if (at.key + at.count <= first) continue;
        if (at.key >= last) break;
        T(shaping) how = {.softcap = p->softcap};
        at.count = ck_min(at.count, last - at.key);
        how.is_cut = T(cut)(t, lo, hi, rows, lanes, &at);
        if (p->mask && !T(load_bias)(p, t, &at, row0, rows, lanes, &how)) continue;
        T(score)(p, t, &at, row0, rows, lanes);
        if (lean) {
            for (size_t r = 0; r < rows; r++) T(weigh_row)(&how, at.count, r, t->scores + r * t->keys, t);
        } else {
            bool any = false, written[64 / W];
            for (size_t lane = 0; lane < lanes; lane += W)
                any |= written[lane / W] = T(weigh_lanes)(&how, at.count, lanes, lane, t->scores, t);
            if (!any) continue;
            for (size_t lane = 0; lane < lanes; lane += W) {
                for (size_t j = 0; j < at.count && !written[lane / W]; j++) ST(t->scores + j * lanes + lane, VS(0));
            }
        }
        for (size_t r = 0; r < rows; r++) {
            if (t->shrink[r] == 1) continue;
            float *acc = t->acc + r * t->width;
            for (size_t d = 0; d < wide; d += W) ST(acc + d, LD(acc + d) * VS(t->shrink[r]));
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
                    to[p->v_head_size] = t->top[r];
                    to[p->v_head_size + 1] = t->sum[r];
                    continue;
                }
                const float inverse = 1.0f / t->sum[r];
                for (size_t d = 0; d < n; d++) acc[d] = t->sum[r] == 0 ? p->masked_value : acc[d] * inverse;
                narrow(out_row(p, row0 + r, column), acc, p->out_type, n);
            }
        }
    }
}

#undef NV
#undef ROWS
#endif
