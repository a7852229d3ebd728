// Attention in tiles of QB queries by KB keys. A tile of K is transposed so that scores are vectors of keys; the running
// maximum and sum of each query rescale its accumulated output when a larger score appears.
#ifndef CK_TIER
#include "include/ck_attention.h"
#include "internal.h"

enum { QB = 96, KB = 64 };

static size_t padded(size_t n) { return ck_round_up(n, 16); }

#define CK_SELF "attention.c"
#include "tiers.h"

// Layout of scratch: K tile transposed, scores, accumulated outputs, V tile where its rows are not whole vectors.
size_t ck_attention_scratch_bytes(size_t head_size, size_t v_head_size) {
    return (head_size * KB + QB * KB + (QB + KB) * padded(v_head_size)) * sizeof(float) + 64;
}

void ck_attention_f32(float *out, const ck_attention *attention, size_t q_begin, size_t q_end, void *scratch) {
    CK_CALL(attention, out, attention, q_begin, q_end, scratch);
}

#else

#if W == 16
#define NV 4
#else
#define NV 2
#endif
#define ROWS 6
#if W < 16
#undef ROWS
#define ROWS 4
#endif

/// c[rows][vectors * W] (+)= a (rows, row stride lda) times b (k rows, stride ldb).
static inline __attribute__((always_inline)) void T(small)(const int rows, const int vectors, size_t k, const CK_U(float) *a,
                                                           size_t lda, const CK_U(float) *b, size_t ldb, float *c, size_t ldc,
                                                           bool add) {
    vf acc[ROWS][NV];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) acc[i][v] = add ? LD(c + (size_t)i * ldc + v * W) : VS(0);
    }
    for (size_t p = 0; p < k; p++, b += ldb) {
        vf y[NV];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) y[v] = LD(b + v * W);
#pragma clang loop unroll(full)
        for (int i = 0; i < rows; i++) {
            const vf x = VS(a[(size_t)i * lda + p]);
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
static void T(product)(size_t rows, size_t cols, size_t k, const CK_U(float) *a, size_t lda, const CK_U(float) *b, size_t ldb, float *c,
                       size_t ldc, bool add) {
    size_t j = 0;
#define COLUMNS(vectors)                                                                                       \
    for (; j + (vectors) * W <= cols; j += (vectors) * W) {                                                    \
        size_t i = 0;                                                                                          \
        for (; i + ROWS <= rows; i += ROWS)                                                                    \
            T(small)(ROWS, vectors, k, a + i * lda, lda, b + j, ldb, c + i * ldc + j, ldc, add);               \
        for (; i < rows; i++) T(small)(1, vectors, k, a + i * lda, lda, b + j, ldb, c + i * ldc + j, ldc, add); \
    }
    COLUMNS(NV)
#if NV > 2
    COLUMNS(2)
#endif
    COLUMNS(1)
#undef COLUMNS
}

static float T(dot)(const CK_U(float) *a, const CK_U(float) *b, size_t n) {
    vf s0 = VS(0), s1 = VS(0);
    size_t i = 0;
    for (; i + 2 * W <= n; i += 2 * W) {
        s0 = VFMA(LD(a + i), LD(b + i), s0);
        s1 = VFMA(LD(a + i + W), LD(b + i + W), s1);
    }
    for (; i + W <= n; i += W) s0 = VFMA(LD(a + i), LD(b + i), s0);
    if (i < n) s1 = VFMA(LDN(a + i, n - i), LDN(b + i, n - i), s1);
    return vhsum(s0 + s1);
}

/// Keys [*lo, *hi) that query i may see.
static inline void T(visible)(const ck_attention *p, size_t i, size_t *lo, size_t *hi) {
    ptrdiff_t first = 0, last = (ptrdiff_t)p->kv_length;
    if (p->causal) {
        const ptrdiff_t at = (ptrdiff_t)i + p->causal_offset + 1;
        if (last > at) last = at;
        if (p->window > 0 && at - (ptrdiff_t)p->window > 0) first = at - (ptrdiff_t)p->window;
    }
    if (last < 0) last = 0;
    if (first > last) first = last;
    *lo = (size_t)first;
    *hi = (size_t)last;
}

/// Turns raw products of one query with `n` keys from j0 into weights, and updates its maximum, sum and output row.
static void T(weigh)(const ck_attention *p, size_t i, size_t j0, size_t n, float *s, float *m, float *l, float *acc,
                     size_t width) {
    size_t lo, hi;
    T(visible)(p, i, &lo, &hi);
    const size_t wide = ck_round_up(n, W);
    const CK_U(float) *bias = p->bias ? p->bias + i * p->bias_stride + j0 : NULL;
    const uint8_t *mask = p->mask ? p->mask + i * p->mask_stride + j0 : NULL;
    for (size_t j = n; j < wide; j++) s[j] = 0;
    for (size_t j = 0; j < wide; j += W) {
        vf x = LD(s + j) * VS(p->scale);
        if (p->softcap > 0) x = VS(p->softcap) * vtanh(x / VS(p->softcap));
        if (bias) x += n - j >= W ? LD(bias + j) : LDN(bias + j, n - j);
        ST(s + j, x);
    }
    const size_t from = lo > j0 ? ck_min(lo - j0, n) : 0, to = hi > j0 ? ck_min(hi - j0, n) : 0;
    for (size_t j = 0; j < from; j++) s[j] = -INFINITY;
    for (size_t j = to; j < wide; j++) s[j] = -INFINITY;
    for (size_t j = 0; mask && j < n; j++) s[j] = mask[j] ? s[j] : -INFINITY;
    vf top = VS(-INFINITY);
    for (size_t j = 0; j < wide; j += W) top = vmax(top, LD(s + j));
    const float maximum = ck_fmax(*m, vhmax(top));
    if (maximum == -INFINITY) {
        memset(s, 0, wide * sizeof *s);
        return;
    }
    const vf shift = VS(maximum);
    vf sum = VS(0);
    for (size_t j = 0; j < wide; j += W) {
        const vf e = vexp_neg(LD(s + j) - shift);
        ST(s + j, e);
        sum += e;
    }
    if (*m != maximum) {
        const float correction = expf(*m - maximum);
        *l *= correction;
        for (size_t d = 0; d < width; d += W) ST(acc + d, LD(acc + d) * VS(correction));
    }
    *l += vhsum(sum);
    *m = maximum;
}

/// kt[d * KB + j] = k[j * stride + d]; columns from `keys` to KB become zero.
static void T(transpose_keys)(float *kt, const CK_U(float) *k, size_t stride, size_t keys, size_t depth) {
    const size_t keys4 = keys & ~(size_t)3, depth4 = depth & ~(size_t)3;
    for (size_t d0 = 0; d0 < depth4; d0 += 16) {
        const size_t d1 = ck_min(depth4, d0 + 16);
        for (size_t j = 0; j < keys4; j += 4) {
            for (size_t d = d0; d < d1; d += 4) ck_transpose_4x4(kt + d * KB + j, KB, k + j * stride + d, stride);
        }
    }
    for (size_t d = 0; d < depth; d++) {
        for (size_t j = d < depth4 ? keys4 : 0; j < keys; j++) kt[d * KB + j] = k[j * stride + d];
        for (size_t j = keys; j < KB; j++) kt[d * KB + j] = 0;
    }
}

static void T(attention)(float *out, const ck_attention *p, size_t q_begin, size_t q_end, void *scratch) {
    const size_t depth = p->head_size, vdepth = p->v_head_size, width = padded(vdepth);
    float *kt = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    float *scores = kt + depth * KB, *acc = scores + QB * KB, *vt = acc + QB * width;
    float m[QB], l[QB];
    for (size_t q0 = q_begin; q0 < q_end; q0 += QB) {
        const size_t rows = ck_min(QB, q_end - q0);
        size_t lo = p->kv_length, hi = 0;
        for (size_t r = 0; r < rows; r++) {
            size_t a, b;
            T(visible)(p, q0 + r, &a, &b);
            lo = ck_min(lo, a);
            hi = ck_max(hi, b);
            m[r] = -INFINITY;
            l[r] = 0;
        }
        memset(acc, 0, rows * width * sizeof *acc);
        for (size_t j0 = lo / KB * KB; j0 < hi; j0 += KB) {
            const size_t keys = ck_min(KB, hi - j0);
            const CK_U(float) *k = p->k + j0 * p->k_stride, *v = p->v + j0 * p->v_stride, *q = p->q + q0 * p->q_stride;
            if (p->q_length <= 4) {
                for (size_t r = 0; r < rows; r++) {
                    for (size_t j = 0; j < keys; j++)
                        scores[r * KB + j] = T(dot)(q + r * p->q_stride, k + j * p->k_stride, depth);
                }
            } else {
                T(transpose_keys)(kt, k, p->k_stride, keys, depth);
                T(product)(rows, KB, depth, q, p->q_stride, kt, KB, scores, KB, false);
            }
            for (size_t r = 0; r < rows; r++)
                T(weigh)(p, q0 + r, j0, keys, scores + r * KB, &m[r], &l[r], acc + r * width, width);
            size_t v_row = p->v_stride;
            if (vdepth != width) {
                for (size_t j = 0; j < keys; j++) {
                    memcpy(vt + j * width, v + j * v_row, vdepth * sizeof *vt);
                    memset(vt + j * width + vdepth, 0, (width - vdepth) * sizeof *vt);
                }
                v = vt;
                v_row = width;
            }
            T(product)(rows, width, keys, scores, KB, v, v_row, acc, width, true);
        }
        for (size_t r = 0; r < rows; r++) {
            float *dst = out + (q0 + r) * p->out_stride;
            if (m[r] == -INFINITY) {
                for (size_t d = 0; d < vdepth; d++) dst[d] = p->masked_value;
                continue;
            }
            const float inverse = 1.0f / l[r];
            for (size_t d = 0; d < vdepth; d++) dst[d] = acc[r * width + d] * inverse;
        }
    }
}

#undef NV
#undef ROWS
#endif
