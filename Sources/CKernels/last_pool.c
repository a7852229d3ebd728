// Pooling over channels-last input: each tap is a vector of channels.
#ifndef CK_TIER
#include "include/ck_last.h"
#include "internal.h"
#include "window.h"

#define CK_SELF "last_pool.c"
#include "tiers.h"

void ck_last_maxpool_f32(float *out, const CK_U(float) *in, size_t channels, const ck_window *w, size_t begin, size_t end) {
    CK_CALL(last_pool, true, false, out, in, channels, w, begin, end);
}

void ck_last_maxpool_bf16(uint16_t *out, const CK_U(uint16_t) *in, size_t channels, const ck_window *w, size_t begin, size_t end) {
    CK_CALL(last_pool_bf16, out, in, channels, w, begin, end);
}

void ck_last_avgpool_f32(float *out, const CK_U(float) *in, size_t channels, const ck_window *w, bool count_include_pad,
                         size_t begin, size_t end) {
    CK_CALL(last_pool, false, count_include_pad, out, in, channels, w, begin, end);
}

#else

/// One output position: `acc` takes the maximum or the sum of `count` positions, `step` floats apart, on one line.
static inline __attribute__((always_inline)) vf T(pool_taps)(const bool maximum, vf acc, const CK_U(float) *x, ptrdiff_t count,
                                                             ptrdiff_t step, size_t left) {
    for (ptrdiff_t t = 0; t < count; t++, x += step) {
        const vf v = left >= W ? LD(x) : LDN(x, left);
        acc = maximum ? vmax(acc, v) : acc + v;
    }
    return acc;
}

static inline __attribute__((always_inline)) void T(pool_line)(const bool maximum, bool counts_padding, float *out,
                                                               const CK_U(float) *item, ptrdiff_t channels, const ck_window *w,
                                                               ptrdiff_t od, ptrdiff_t oh) {
    ptrdiff_t d0, d1, h0, h1, w0, w1;
    window_tap_range(w, 0, od, &d0, &d1);
    window_tap_range(w, 1, oh, &h0, &h1);
    const ptrdiff_t outer = window_taps_inside(w, 0, od, counts_padding) * window_taps_inside(w, 1, oh, counts_padding);
    for (ptrdiff_t ow = 0; ow < w->out[2]; ow++, out += channels) {
        window_tap_range(w, 2, ow, &w0, &w1);
        const float divisor = (float)(outer * window_taps_inside(w, 2, ow, counts_padding));
        for (ptrdiff_t c = 0; c < channels; c += W) {
            const size_t left = (size_t)(channels - c);
            vf acc = VS(maximum ? -INFINITY : 0.0f);
            for (ptrdiff_t kd = d0; kd < d1; kd++) {
                for (ptrdiff_t kh = h0; kh < h1; kh++) {
                    const ptrdiff_t line = window_at(w, 0, od, kd) * w->in[1] + window_at(w, 1, oh, kh);
                    const CK_U(float) *x = item + (line * w->in[2] + window_at(w, 2, ow, w0)) * channels + c;
                    acc = T(pool_taps)(maximum, acc, x, w1 - w0, w->dilation[2] * channels, left);
                }
            }
            if (!maximum) acc /= VS(divisor);
            if (left >= W) {
                ST(out + c, acc);
            } else {
                STN(out + c, acc, left);
            }
        }
    }
}

static void T(last_pool)(bool maximum, bool counts_padding, float *out, const CK_U(float) *in, size_t channels, const ck_window *w,
                         size_t begin, size_t end) {
    const ptrdiff_t n = (ptrdiff_t)channels;
    for (size_t line = begin; line < end; line++) {
        const ptrdiff_t oh = (ptrdiff_t)line % w->out[1], od = (ptrdiff_t)line / w->out[1] % w->out[0];
        const CK_U(float) *item = in + (ptrdiff_t)line / w->out[1] / w->out[0] * window_in(w) * n;
        float *y = out + (ptrdiff_t)line * w->out[2] * n;
        if (maximum) {
            T(pool_line)(true, false, y, item, n, w, od, oh);
        } else {
            T(pool_line)(false, counts_padding, y, item, n, w, od, oh);
        }
    }
}

typedef uint16_t T(half) __attribute__((ext_vector_type(W)));

/// `left` numbers of a vector, widened: a bfloat16 is the upper half of a float.
static inline __attribute__((always_inline)) vf T(load_bf16)(const CK_U(uint16_t) *x, size_t left) {
    T(half) v = 0;
    memcpy(&v, x, left >= W ? sizeof v : left * sizeof *x);
    return (vf)(__builtin_convertvector(v, vu) << 16);
}

/// The greatest of numbers is one of them: nothing is rounded.
static void T(last_pool_bf16)(uint16_t *out, const CK_U(uint16_t) *in, size_t channels, const ck_window *w, size_t begin, size_t end) {
    const ptrdiff_t n = (ptrdiff_t)channels, step = w->dilation[2] * n;
    for (size_t line = begin; line < end; line++) {
        const ptrdiff_t oh = (ptrdiff_t)line % w->out[1], od = (ptrdiff_t)line / w->out[1] % w->out[0];
        const CK_U(uint16_t) *item = in + (ptrdiff_t)line / w->out[1] / w->out[0] * window_in(w) * n;
        uint16_t *y = out + (ptrdiff_t)line * w->out[2] * n;
        ptrdiff_t d0, d1, h0, h1, w0, w1;
        window_tap_range(w, 0, od, &d0, &d1);
        window_tap_range(w, 1, oh, &h0, &h1);
        for (ptrdiff_t ow = 0; ow < w->out[2]; ow++, y += n) {
            window_tap_range(w, 2, ow, &w0, &w1);
            for (ptrdiff_t c = 0; c < n; c += W) {
                const size_t left = (size_t)(n - c);
                vf acc = VS(-INFINITY);
                for (ptrdiff_t kd = d0; kd < d1; kd++) {
                    for (ptrdiff_t kh = h0; kh < h1; kh++) {
                        const ptrdiff_t at = window_at(w, 0, od, kd) * w->in[1] + window_at(w, 1, oh, kh);
                        const CK_U(uint16_t) *x = item + (at * w->in[2] + window_at(w, 2, ow, w0)) * n + c;
                        for (ptrdiff_t t = w0; t < w1; t++, x += step) acc = vmax(acc, T(load_bf16)(x, left));
                    }
                }
                const T(half) narrow = __builtin_convertvector((vu)acc >> 16, T(half));
                memcpy(y + c, &narrow, left >= W ? sizeof narrow : left * sizeof *y);
            }
        }
    }
}

#endif
