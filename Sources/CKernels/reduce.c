// Reductions: contiguous rows in vector lanes, other layouts a strip of columns at a time.
#ifndef CK_TIER
#include "include/ck_reduce.h"
#include "internal.h"

enum { ROW_BLOCK = 1024, COLUMN_BLOCK = 256 };

static float finish(int32_t op, double s, size_t n) {
    switch (op) {
    case CK_REDUCE_MEAN: return (float)(s / (double)n);
    case CK_REDUCE_L2: return (float)sqrt(s);
    case CK_REDUCE_LOG_SUM: return (float)log(s);
    default: return (float)s;
    }
}

#define CK_SELF "reduce.c"
#include "tiers.h"

void ck_reduce_f32(int32_t op, float *out, const CK_U(float) *in, size_t reduce, size_t inner, size_t begin, size_t end) {
    if (op == CK_REDUCE_PROD) {
        for (size_t c = begin; c < end; c++) {
            const CK_U(float) *x = in + c / inner * reduce * inner + c % inner;
            double p = 1;
            for (size_t r = 0; r < reduce; r++) p *= (double)x[r * inner];
            out[c] = (float)p;
        }
        return;
    }
    CK_CALL(reduce, op, out, in, reduce, inner, begin, end);
}

void ck_argmax_f32(int64_t *out, const CK_U(float) *in, size_t reduce, size_t inner, size_t begin, size_t end, bool minimum,
                   bool last) {
    for (size_t c = begin; c < end; c++) {
        const CK_U(float) *x = in + c / inner * reduce * inner + c % inner;
        float best = x[0];
        size_t at = 0;
        for (size_t r = 1; r < reduce; r++) {
            const float v = x[r * inner];
            const bool better = v != v ? best == best : minimum ? v < best : v > best;
            const bool same = v == best || (v != v && best != best);
            if (better || (last && same)) {
                best = v;
                at = r;
            }
        }
        out[c] = (int64_t)at;
    }
}

#else

#define MAP(v) (op == CK_REDUCE_SUM_SQUARE || op == CK_REDUCE_L2 ? (v) * (v) : op == CK_REDUCE_L1 ? vabs(v) : (v))

static inline __attribute__((always_inline)) float T(sum_row)(const int32_t op, const CK_U(float) *x, size_t n) {
    double total = 0;
    for (size_t i0 = 0; i0 < n; i0 += ROW_BLOCK) {
        const size_t end = ck_min(n, i0 + ROW_BLOCK);
        vf s[4] = {VS(0), VS(0), VS(0), VS(0)};
        size_t i = i0;
        for (; i + 4 * W <= end; i += 4 * W) {
#pragma clang loop unroll(full)
            for (int q = 0; q < 4; q++) s[q] += MAP(LD(x + i + q * W));
        }
        for (; i + W <= end; i += W) s[0] += MAP(LD(x + i));
        if (i < end) s[1] += MAP(LDN(x + i, end - i));
        total += vhsum((s[0] + s[1]) + (s[2] + s[3]));
    }
    return finish(op, total, n);
}

static inline __attribute__((always_inline)) float T(extreme_row)(const bool max, const CK_U(float) *x, size_t n) {
    vf m0 = VS(max ? -INFINITY : INFINITY), m1 = m0;
    size_t i = 0;
    for (; i + 2 * W <= n; i += 2 * W) {
        m0 = max ? vmax(m0, LD(x + i)) : vmin(m0, LD(x + i));
        m1 = max ? vmax(m1, LD(x + i + W)) : vmin(m1, LD(x + i + W));
    }
    float m = max ? vhmax(vmax(m0, m1)) : vhmin(vmin(m0, m1));
    for (; i < n; i++) m = max ? ck_fmax(m, x[i]) : ck_fmin(m, x[i]);
    return m;
}

static void T(columns)(int32_t op, float *out, const CK_U(float) *x, size_t n, size_t stride, size_t cols) {
    const bool max = op == CK_REDUCE_MAX, extreme = max || op == CK_REDUCE_MIN, full = cols == W;
    if (extreme) {
        vf m = VS(max ? -INFINITY : INFINITY);
        for (size_t r = 0; r < n; r++) {
            const vf v = full ? LD(x + r * stride) : LDN(x + r * stride, cols);
            m = max ? vmax(m, v) : vmin(m, v);
        }
        if (full) {
            ST(out, m);
        } else {
            STN(out, m, cols);
        }
        return;
    }
    double total[W] = {0};
    for (size_t r0 = 0; r0 < n; r0 += COLUMN_BLOCK) {
        const size_t r1 = ck_min(n, r0 + COLUMN_BLOCK);
        vf s = VS(0);
        for (size_t r = r0; r < r1; r++) {
            const vf v = full ? LD(x + r * stride) : LDN(x + r * stride, cols);
            s += MAP(v);
        }
        for (size_t j = 0; j < cols; j++) total[j] += s[j];
    }
    for (size_t j = 0; j < cols; j++) out[j] = finish(op, total[j], n);
}

/// Sums of 4 W whole columns: a cache line or more of every row at a time.
static inline __attribute__((always_inline)) void T(wide_columns)(const int32_t op, float *out, const CK_U(float) *x, size_t n,
                                                                  size_t stride) {
    double total[4 * W] = {0};
    for (size_t r0 = 0; r0 < n; r0 += COLUMN_BLOCK) {
        const size_t r1 = ck_min(n, r0 + COLUMN_BLOCK);
        vf s[4] = {VS(0), VS(0), VS(0), VS(0)};
        for (size_t r = r0; r < r1; r++) {
#pragma clang loop unroll(full)
            for (int q = 0; q < 4; q++) s[q] += MAP(LD(x + r * stride + q * W));
        }
        for (int j = 0; j < 4 * W; j++) total[j] += s[j / W][j % W];
    }
    for (int j = 0; j < 4 * W; j++) out[j] = finish(op, total[j], n);
}

static void T(reduce)(int32_t op, float *out, const CK_U(float) *in, size_t n, size_t inner, size_t begin, size_t end) {
    for (size_t c = begin; c < end;) {
        const size_t i = c % inner;
        const CK_U(float) *x = in + c / inner * n * inner + i;
        if (inner > 1) {
            if (op != CK_REDUCE_MAX && op != CK_REDUCE_MIN && ck_min(inner - i, end - c) >= 4 * W) {
                switch (op) {
                case CK_REDUCE_SUM_SQUARE:
                case CK_REDUCE_L2: T(wide_columns)(op, out + c, x, n, inner); break;
                case CK_REDUCE_L1: T(wide_columns)(CK_REDUCE_L1, out + c, x, n, inner); break;
                default: T(wide_columns)(op, out + c, x, n, inner); break;
                }
                c += 4 * W;
                continue;
            }
            const size_t cols = ck_min(ck_min(W, inner - i), end - c);
            T(columns)(op, out + c, x, n, inner, cols);
            c += cols;
            continue;
        }
        switch (op) {
        case CK_REDUCE_MAX: out[c] = T(extreme_row)(true, x, n); break;
        case CK_REDUCE_MIN: out[c] = T(extreme_row)(false, x, n); break;
        case CK_REDUCE_SUM_SQUARE:
        case CK_REDUCE_L2: out[c] = T(sum_row)(op, x, n); break;
        case CK_REDUCE_L1: out[c] = T(sum_row)(op, x, n); break;
        default: out[c] = T(sum_row)(op, x, n); break;
        }
        c++;
    }
}

#undef MAP
#endif
