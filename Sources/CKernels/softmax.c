// Softmax: maximum, exponentials with their sum, scaling. Rows in order, sums in W x 4 lanes.
#ifndef CK_TIER
#include "include/ck_softmax.h"
#include "internal.h"

#define CK_SELF "softmax.c"
#include "tiers.h"

void ck_softmax_f32(float *out, const CK_U(float) *in, size_t n, size_t begin, size_t end, float scale, const CK_U(float) *bias,
                    size_t bias_stride, bool log) {
    CK_CALL(softmax, out, in, n, begin, end, scale, bias, bias_stride, log);
}

void ck_softmax_strided_f32(float *out, const CK_U(float) *in, size_t n, size_t inner, size_t begin, size_t end, bool log) {
    CK_CALL(softmax_strided, out, in, n, inner, begin, end, log);
}

#else

static void T(softmax_row)(float *out, const CK_U(float) *in, size_t n, float scale, const CK_U(float) *bias, bool log) {
    const size_t full = n / W * W;
    const vf vscale = VS(scale);
    float maximum = -INFINITY;
    if (bias || scale != 1) {
        vf m = VS(-INFINITY);
        for (size_t i = 0; i < n; i += W) {
            const size_t left = n - i;
            if (left >= W) {
                vf x = LD(in + i) * vscale;
                if (bias) x += LD(bias + i);
                ST(out + i, x);
                m = vmax(m, x);
            } else {
                vf x = LDN(in + i, left) * vscale;
                if (bias) x += LDN(bias + i, left);
                STN(out + i, x, left);
            }
        }
        maximum = vhmax(m);
        in = out;
    } else {
        vf m0 = VS(-INFINITY), m1 = m0;
        size_t i = 0;
        for (; i + 2 * W <= n; i += 2 * W) {
            m0 = vmax(m0, LD(in + i));
            m1 = vmax(m1, LD(in + i + W));
        }
        for (; i < full; i += W) m0 = vmax(m0, LD(in + i));
        maximum = vhmax(vmax(m0, m1));
    }
    for (size_t i = full; i < n; i++) maximum = ck_fmax(maximum, in[i]);

    const vf m = VS(maximum);
    vf s0 = VS(0), s1 = VS(0);
    float sum = 0;
    size_t i = 0;
    if (log) {
        for (; i < full; i += W) s0 += vexp_neg(LD(in + i) - m);
        if (i < n) {
            float tail[W];
            ST(tail, vexp_neg(LDN(in + i, n - i) - m));
            for (size_t j = 0; j < n - i; j++) sum += tail[j];
        }
        sum += vhsum(s0);
        const float shift = logf(sum);
        for (i = 0; i < full; i += W) ST(out + i, (LD(in + i) - m) - VS(shift));
        if (i < n) STN(out + i, (LDN(in + i, n - i) - m) - VS(shift), n - i);
        return;
    }
    for (; i + 2 * W <= n; i += 2 * W) {
        const vf e0 = vexp_neg(LD(in + i) - m), e1 = vexp_neg(LD(in + i + W) - m);
        ST(out + i, e0);
        ST(out + i + W, e1);
        s0 += e0;
        s1 += e1;
    }
    for (; i < full; i += W) {
        const vf e = vexp_neg(LD(in + i) - m);
        ST(out + i, e);
        s0 += e;
    }
    if (i < n) {
        const vf e = vexp_neg(LDN(in + i, n - i) - m);
        STN(out + i, e, n - i);
        for (size_t j = i; j < n; j++) sum += out[j];
    }
    sum += vhsum(s0 + s1);
    const vf inverse = VS(1.0f / sum);
    for (i = 0; i < full; i += W) ST(out + i, LD(out + i) * inverse);
    if (i < n) STN(out + i, LDN(out + i, n - i) * inverse, n - i);
}

static void T(softmax)(float *out, const CK_U(float) *in, size_t n, size_t begin, size_t end, float scale, const CK_U(float) *bias,
                       size_t bias_stride, bool log) {
    for (size_t r = begin; r < end; r++)
        T(softmax_row)(out + r * n, in + r * n, n, scale, bias ? bias + r * bias_stride : NULL, log);
}

/// One strip of at most W columns, row stride `inner`.
static void T(softmax_strip)(float *out, const CK_U(float) *in, size_t n, size_t inner, size_t cols, bool log) {
    const bool full = cols == W;
    vf m = VS(-INFINITY), s = VS(0);
    for (size_t r = 0; r < n; r++) m = vmax(m, full ? LD(in + r * inner) : LDN(in + r * inner, cols));
    for (size_t r = 0; r < n; r++) {
        const vf d = (full ? LD(in + r * inner) : LDN(in + r * inner, cols)) - m, e = vexp_neg(d);
        s += e;
        if (full) {
            ST(out + r * inner, log ? d : e);
        } else {
            STN(out + r * inner, log ? d : e, cols);
        }
    }
    const vf shift = log ? vlog(s) : VS(1.0f) / s;
    for (size_t r = 0; r < n; r++) {
        float *p = out + r * inner;
        const vf x = full ? LD(p) : LDN(p, cols), y = log ? x - shift : x * shift;
        if (full) {
            ST(p, y);
        } else {
            STN(p, y, cols);
        }
    }
}

static void T(softmax_strided)(float *out, const CK_U(float) *in, size_t n, size_t inner, size_t begin, size_t end, bool log) {
    for (size_t c = begin; c < end;) {
        const size_t o = c / inner, i = c % inner, cols = ck_min(ck_min(W, inner - i), end - c);
        T(softmax_strip)(out + o * n * inner + i, in + o * n * inner + i, n, inner, cols, log);
        c += cols;
    }
}

#endif
