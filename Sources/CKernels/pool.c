// Pooling, one output row at a time: each tap is one vector loop over the outputs that it reaches.
#ifndef CK_TIER
#include "include/ck_pool.h"
#include "internal.h"
#include "window.h"

enum { POOL_MAX, POOL_SUM };

#define CK_SELF "pool.c"
#include "tiers.h"

void ck_maxpool_f32(float *out, int64_t *indices, const CK_U(float) *in, const ck_window *w, bool column_major, size_t begin,
                    size_t end) {
    if (!indices) {
        CK_CALL(pool, POOL_MAX, out, in, w, begin, end);
        return;
    }
    const ptrdiff_t in_size = window_in(w), out_size = window_out(w);
    for (size_t plane = begin; plane < end; plane++) {
        const CK_U(float) *x = in + (ptrdiff_t)plane * in_size;
        for (ptrdiff_t o = 0; o < out_size; o++) {
            const ptrdiff_t ow = o % w->out[2], oh = o / w->out[2] % w->out[1], od = o / w->out[2] / w->out[1];
            float best = -INFINITY;
            ptrdiff_t at = -1;
            for (ptrdiff_t t = 0; t < window_taps(w); t++) {
                const ptrdiff_t d = window_at(w, 0, od, t / w->kernel[2] / w->kernel[1]);
                const ptrdiff_t h = window_at(w, 1, oh, t / w->kernel[2] % w->kernel[1]);
                const ptrdiff_t c = window_at(w, 2, ow, t % w->kernel[2]);
                if (d < 0 || h < 0 || c < 0 || d >= w->in[0] || h >= w->in[1] || c >= w->in[2]) continue;
                const float v = x[(d * w->in[1] + h) * w->in[2] + c];
                if (at >= 0 && !(v > best || (v != v && best == best))) continue;
                best = v;
                at = column_major ? (c * w->in[1] + h) * w->in[0] + d : (d * w->in[1] + h) * w->in[2] + c;
            }
            out[(ptrdiff_t)plane * out_size + o] = best;
            indices[(ptrdiff_t)plane * out_size + o] = at + (ptrdiff_t)plane * in_size;
        }
    }
}

void ck_avgpool_f32(float *out, const CK_U(float) *in, const ck_window *w, bool count_include_pad, size_t begin, size_t end) {
    CK_CALL(pool, POOL_SUM, out, in, w, begin, end);
    const ptrdiff_t out_size = window_out(w);
    for (ptrdiff_t o = 0; o < out_size; o += w->out[2]) {
        const ptrdiff_t dh = window_taps_inside(w, 1, o / w->out[2] % w->out[1], count_include_pad) *
                             window_taps_inside(w, 0, o / w->out[2] / w->out[1], count_include_pad);
        for (ptrdiff_t ow = 0; ow < w->out[2]; ow++) {
            const float divisor = (float)(dh * window_taps_inside(w, 2, ow, count_include_pad));
            for (size_t plane = begin; plane < end; plane++) out[(ptrdiff_t)plane * out_size + o + ow] /= divisor;
        }
    }
}

void ck_lppool_f32(float *out, const CK_U(float) *in, const ck_window *w, float p, size_t begin, size_t end) {
    const ptrdiff_t in_size = window_in(w), out_size = window_out(w);
    for (size_t plane = begin; plane < end; plane++) {
        const CK_U(float) *x = in + (ptrdiff_t)plane * in_size;
        for (ptrdiff_t o = 0; o < out_size; o++) {
            const ptrdiff_t ow = o % w->out[2], oh = o / w->out[2] % w->out[1], od = o / w->out[2] / w->out[1];
            double sum = 0;
            for (ptrdiff_t t = 0; t < window_taps(w); t++) {
                const ptrdiff_t d = window_at(w, 0, od, t / w->kernel[2] / w->kernel[1]);
                const ptrdiff_t h = window_at(w, 1, oh, t / w->kernel[2] % w->kernel[1]);
                const ptrdiff_t c = window_at(w, 2, ow, t % w->kernel[2]);
                if (d < 0 || h < 0 || c < 0 || d >= w->in[0] || h >= w->in[1] || c >= w->in[2]) continue;
                const double v = fabs((double)x[(d * w->in[1] + h) * w->in[2] + c]);
                sum += p == 1 ? v : p == 2 ? v * v : pow(v, (double)p);
            }
            out[(ptrdiff_t)plane * out_size + o] = (float)(p == 1 ? sum : p == 2 ? sqrt(sum) : pow(sum, 1.0 / (double)p));
        }
    }
}

#else

static void T(pool_row)(int kind, float *acc, const CK_U(float) *x, ptrdiff_t n, ptrdiff_t stride) {
    if (kind == POOL_MAX && stride == 1) {
        ptrdiff_t i = 0;
        for (; i + W <= n; i += W) ST(acc + i, vmax(LD(acc + i), LD(x + i)));
        for (; i < n; i++) acc[i] = ck_fmax(acc[i], x[i]);
    } else if (kind == POOL_MAX && stride == 2) {
        for (ptrdiff_t i = 0; i < n; i++) acc[i] = x[2 * i] > acc[i] || x[2 * i] != x[2 * i] ? x[2 * i] : acc[i];
    } else if (kind == POOL_MAX) {
        for (ptrdiff_t i = 0; i < n; i++) acc[i] = ck_fmax(acc[i], x[i * stride]);
    } else if (stride == 1) {
        for (ptrdiff_t i = 0; i < n; i++) acc[i] += x[i];
    } else if (stride == 2) {
        for (ptrdiff_t i = 0; i < n; i++) acc[i] += x[2 * i];
    } else {
        for (ptrdiff_t i = 0; i < n; i++) acc[i] += x[i * stride];
    }
}

static void T(pool)(int kind, float *out, const CK_U(float) *in, const ck_window *w, size_t begin, size_t end) {
    const ptrdiff_t in_size = window_in(w), out_size = window_out(w);
    const float start = kind == POOL_MAX ? -INFINITY : 0.0f;
    for (size_t plane = begin; plane < end; plane++) {
        const CK_U(float) *x = in + (ptrdiff_t)plane * in_size;
        float *row = out + (ptrdiff_t)plane * out_size;
        for (ptrdiff_t od = 0; od < w->out[0]; od++) {
            for (ptrdiff_t oh = 0; oh < w->out[1]; oh++, row += w->out[2]) {
                for (ptrdiff_t i = 0; i < w->out[2]; i++) row[i] = start;
                for (ptrdiff_t kd = 0; kd < w->kernel[0]; kd++) {
                    const ptrdiff_t d = window_at(w, 0, od, kd);
                    if (d < 0 || d >= w->in[0]) continue;
                    for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++) {
                        const ptrdiff_t h = window_at(w, 1, oh, kh);
                        if (h < 0 || h >= w->in[1]) continue;
                        const CK_U(float) *line = x + (d * w->in[1] + h) * w->in[2];
                        for (ptrdiff_t kw = 0; kw < w->kernel[2]; kw++) {
                            ptrdiff_t lo, hi;
                            window_range(w, 2, kw, &lo, &hi);
                            if (lo < hi)
                                T(pool_row)(kind, row + lo, line + window_at(w, 2, lo, kw), hi - lo, w->stride[2]);
                        }
                    }
                }
            }
        }
    }
}

#endif
