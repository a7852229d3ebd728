// Convolution over channels-last input: a product whose rows are copied from the image when they are needed. With the channels
// beside each other the taps of one kernel row are one run of memory.
#ifndef CK_TIER
#include "bf16.h"
#include "include/ck_last.h"
#include "internal.h"
#include "window.h"

#define CK_SELF "last_conv.c"
#include "tiers.h"

void ck_last_pack(float *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t taps) {
    const size_t nr = ck_gemm_nr(), k = channels * taps;
    for (size_t j0 = 0; j0 < n; j0 += nr, packed += nr * k) {
        const size_t width = ck_min(nr, n - j0);
        for (size_t c = 0; c < channels; c++) {
            for (size_t t = 0; t < taps; t++) {
                float *row = packed + (t * channels + c) * nr;
                for (size_t j = 0; j < nr; j++) row[j] = j < width ? weights[((j0 + j) * channels + c) * taps + t] : 0.0f;
            }
        }
    }
}

static void copy_rows(const void *context, float *to, size_t stride, size_t row, size_t rows, size_t k, size_t depth) {
    CK_CALL(copy_image, context, to, stride, row, rows, k, depth);
}

void ck_last_conv_f32(float *out, size_t ldc, const ck_last_image *image, const CK_U(float) *packed, size_t m_begin, size_t m_end,
                      size_t n_begin, size_t n_end, const ck_gemm_epilogue *epilogue, void *scratch) {
    const ck_gemm_rows rows = {copy_rows, image};
    ck_gemm_rows_f32(out, ldc, &rows, packed, (size_t)window_taps(&image->window) * image->channels, m_begin, m_end, n_begin,
                     n_end, epilogue, scratch);
}

/// Two bfloat16 go as one float: a channel count is even.
static void copy_pairs(const void *context, uint16_t *to, size_t stride, size_t row, size_t rows, size_t k, size_t depth) {
    const ck_last_image *pairs = context;
    const size_t whole = (size_t)window_taps(&pairs->window) * pairs->channels * 2, inside = ck_min(depth, whole - k);
    CK_CALL(copy_image, pairs, (float *)(void *)to, stride / 2, row, rows, k / 2, inside / 2);
    for (size_t i = 0; inside < depth && i < rows; i++) memset(to + i * stride + inside, 0, (depth - inside) * sizeof *to);
}

void ck_bf16_conv(const ck_bf16_result *c, const ck_bf16_image *image, const uint16_t *packed, size_t m, size_t m_begin, size_t m_end,
                  size_t n_begin, size_t n_end, void *scratch) {
    const ck_last_image pairs = {.in = (const CK_U(float) *)(const void *)image->in, .pitch = image->pitch / 2,
                                 .channels = image->channels / 2, .item = image->item / 2, .window = image->window};
    const ck_bf16_a a = {.copy = copy_pairs, .context = &pairs,
                         .scratch = (uint16_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63)};
    ck_bf16_product(c, &a, packed, m, (size_t)window_taps(&image->window) * image->channels, m_begin, m_end, n_begin, n_end);
}

void ck_last_depthwise_f32(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *bias,
                           const CK_U(float) *residual, size_t channels, const ck_window *w, size_t begin, size_t end,
                           const ck_activation *act) {
    CK_CALL(last_depthwise, out, in, weights, bias, residual, channels, w, begin, end, act);
}

#else

static inline __attribute__((always_inline)) void T(copy_run)(float *to, const CK_U(float) *from, size_t n) {
    size_t i = 0;
    for (; i + W <= n; i += W) ST(to + i, LD(from + i));
    if (i < n) STN(to + i, LDN(from + i, n - i), n - i);
}

static inline __attribute__((always_inline)) void T(clear_run)(float *to, size_t n) {
    size_t i = 0;
    for (; i + W <= n; i += W) ST(to + i, VS(0));
    if (i < n) STN(to + i, VS(0), n - i);
}

/// Where a column stands: a run is what lies together, all taps of a kernel row or one tap.
typedef struct T(run) {
    ptrdiff_t length, skip;  ///< floats of a run; those of the first run that come before the column
    ptrdiff_t kd, kh, kw;
    bool joined;
} T(run);

static T(run) T(run_at)(const ck_last_image *m, size_t k) {
    const ck_window *w = &m->window;
    T(run) r = {.joined = m->pitch == m->channels && w->dilation[2] == 1};
    r.length = (r.joined ? w->kernel[2] : 1) * (ptrdiff_t)m->channels;
    const ptrdiff_t run = (ptrdiff_t)k / r.length, per = r.joined ? 1 : w->kernel[2];
    r.skip = (ptrdiff_t)k - run * r.length;
    r.kw = run % per;
    r.kh = run / per % w->kernel[1];
    r.kd = run / per / w->kernel[1];
    return r;
}

/// `depth` columns of one row from `r` on.
static inline __attribute__((always_inline)) void T(copy_row)(const ck_last_image *m, float *to, const CK_U(float) *item, ptrdiff_t od,
                                                              ptrdiff_t oh, ptrdiff_t ow, T(run) r, size_t depth) {
    const ck_window *w = &m->window;
    const ptrdiff_t channels = (ptrdiff_t)m->channels, pitch = (ptrdiff_t)m->pitch;
    for (const float *const end = to + depth; to < end; r.skip = 0) {
        const ptrdiff_t n = r.length - r.skip < end - to ? r.length - r.skip : end - to;
        const ptrdiff_t d = window_at(w, 0, od, r.kd), h = window_at(w, 1, oh, r.kh), x = window_at(w, 2, ow, r.kw);
        // Floats of the run that are inside the line, counted from its begin.
        ptrdiff_t lo = r.skip, hi = r.skip + n;
        if (d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1]) {
            hi = lo;
        } else if (r.joined) {
            if (x < 0) lo = -x * channels < lo ? lo : -x * channels > hi ? hi : -x * channels;
            if ((w->in[2] - x) * channels < hi) hi = (w->in[2] - x) * channels < lo ? lo : (w->in[2] - x) * channels;
        } else if (x < 0 || x >= w->in[2]) {
            hi = lo;
        }
        if (lo > r.skip) T(clear_run)(to, (size_t)(lo - r.skip));
        if (hi > lo)
            T(copy_run)(to + (lo - r.skip), item + ((d * w->in[1] + h) * w->in[2] + x) * pitch + lo, (size_t)(hi - lo));
        if (hi < r.skip + n) T(clear_run)(to + (hi - r.skip), (size_t)(r.skip + n - hi));
        to += n;
        if (!r.joined && ++r.kw < w->kernel[2]) continue;
        r.kw = 0;
        if (++r.kh < w->kernel[1]) continue;
        r.kh = 0;
        r.kd++;
    }
}

static void T(copy_image)(const void *context, float *to, size_t stride, size_t row, size_t rows, size_t k, size_t depth) {
    const ck_last_image *m = context;
    const ck_window *w = &m->window;
    const T(run) run = T(run_at)(m, k);
    const ptrdiff_t positions = window_out(w);
    ptrdiff_t item = (ptrdiff_t)row / positions, at = (ptrdiff_t)row - item * positions;
    ptrdiff_t ow = at % w->out[2], oh = at / w->out[2] % w->out[1], od = at / w->out[2] / w->out[1];
    for (size_t i = 0; i < rows; i++, to += stride) {
        T(copy_row)(m, to, m->in + (ptrdiff_t)m->item * item, od, oh, ow, run, depth);
        if (++ow < w->out[2]) continue;
        ow = 0;
        if (++oh < w->out[1]) continue;
        oh = 0;
        if (++od < w->out[0]) continue;
        od = 0;
        item++;
    }
}

#define DW_PIXELS 6

/// `pixels` neighbouring outputs, `left` channels (at most W). Taps [kw0, kw1) are inside for all of them.
static inline __attribute__((always_inline)) void T(dw_pixels)(const int pixels, float *out, const CK_U(float) *const *lines,
                                                               ptrdiff_t count, const CK_U(float) *const *weights, ptrdiff_t at,
                                                               ptrdiff_t kw0, ptrdiff_t kw1, vf bias, const CK_U(float) *residual,
                                                               size_t channels, size_t left, const ck_window *w,
                                                               const ck_activation *act) {
    vf acc[DW_PIXELS];
    const ptrdiff_t step = w->stride[2] * (ptrdiff_t)channels;
#pragma clang loop unroll(full)
    for (int q = 0; q < pixels; q++) acc[q] = bias;
    for (ptrdiff_t line = 0; line < count; line++) {
        const CK_U(float) *x = lines[line] + (at + kw0 * w->dilation[2]) * (ptrdiff_t)channels;
        const CK_U(float) *k = weights[line] + kw0 * (ptrdiff_t)channels;
        for (ptrdiff_t kw = kw0; kw < kw1; kw++, x += w->dilation[2] * (ptrdiff_t)channels, k += channels) {
            const vf tap = left >= W ? LD(k) : LDN(k, left);
#pragma clang loop unroll(full)
            for (int q = 0; q < pixels; q++)
                acc[q] = VFMA(tap, left >= W ? LD(x + q * step) : LDN(x + q * step, left), acc[q]);
        }
    }
#pragma clang loop unroll(full)
    for (int q = 0; q < pixels; q++) {
        float *y = out + (size_t)q * channels;
        vf v = acc[q];
        if (residual) v += left >= W ? LD(residual + (size_t)q * channels) : LDN(residual + (size_t)q * channels, left);
        v = vactivate(act->op, v, VS(act->p0), VS(act->p1));
        if (left >= W) {
            ST(y, v);
        } else {
            STN(y, v, left);
        }
    }
}

/// One output line, W channels (or the last `left`): outputs whose taps are all inside go several at a time.
static inline __attribute__((always_inline)) void T(dw_line)(float *out, const CK_U(float) *const *lines, ptrdiff_t count,
                                                             const CK_U(float) *const *weights, vf bias, const CK_U(float) *residual,
                                                             size_t channels, size_t left, const ck_window *w,
                                                             const ck_activation *act) {
    for (ptrdiff_t ow = 0; ow < w->out[2];) {
        const ptrdiff_t at = ow * w->stride[2] - w->pad_begin[2];
        float *y = out + (size_t)ow * channels;
        const CK_U(float) *r = residual ? residual + (size_t)ow * channels : NULL;
        ptrdiff_t kw0, kw1, last0, last1;
        window_tap_range(w, 2, ow, &kw0, &kw1);
        if (ow + DW_PIXELS <= w->out[2] && kw0 == 0 && kw1 == w->kernel[2]) {
            window_tap_range(w, 2, ow + DW_PIXELS - 1, &last0, &last1);
            if (last1 == w->kernel[2]) {
                T(dw_pixels)(DW_PIXELS, y, lines, count, weights, at, kw0, kw1, bias, r, channels, left, w, act);
                ow += DW_PIXELS;
                continue;
            }
        }
        T(dw_pixels)(1, y, lines, count, weights, at, kw0, kw1, bias, r, channels, left, w, act);
        ow++;
    }
}

static void T(last_depthwise)(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *bias,
                              const CK_U(float) *residual, size_t channels, const ck_window *w, size_t begin, size_t end,
                              const ck_activation *act) {
    enum { LINES = 64 };
    const CK_U(float) *lines[LINES], *taps[LINES];
    const bool late = !ck_is_vector_activation(act->op);
    const ck_activation inner = late ? (ck_activation){CK_UNARY_NONE, 0, 0} : *act;
    const size_t line_size = (size_t)w->out[2] * channels;
    for (size_t line = begin; line < end; line++) {
        const ptrdiff_t oh = (ptrdiff_t)line % w->out[1], od = (ptrdiff_t)line / w->out[1] % w->out[0];
        const CK_U(float) *item = in + (ptrdiff_t)line / w->out[1] / w->out[0] * window_in(w) * (ptrdiff_t)channels;
        ptrdiff_t count = 0;
        for (ptrdiff_t t = 0; t < w->kernel[0] * w->kernel[1]; t++) {
            const ptrdiff_t d = window_at(w, 0, od, t / w->kernel[1]), h = window_at(w, 1, oh, t % w->kernel[1]);
            if (d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1]) continue;
            lines[count] = item + (d * w->in[1] + h) * w->in[2] * (ptrdiff_t)channels;
            taps[count++] = weights + t * w->kernel[2] * (ptrdiff_t)channels;
        }
        float *y = out + line * line_size;
        const CK_U(float) *r = residual ? residual + line * line_size : NULL;
        for (size_t c = 0; c < channels; c += W) {
            const size_t left = channels - c;
            const vf b = !bias ? VS(0) : left >= W ? LD(bias + c) : LDN(bias + c, left);
            if (left >= W) {
                T(dw_line)(y + c, lines, count, taps, b, r ? r + c : NULL, channels, W, w, &inner);
            } else {
                T(dw_line)(y + c, lines, count, taps, b, r ? r + c : NULL, channels, left, w, &inner);
            }
            for (ptrdiff_t t = 0; t < count; t++) lines[t] += W, taps[t] += W;
        }
        if (late) ck_unary_f32(act->op, y, y, line_size, act->p0, act->p1);
    }
}

#undef DW_PIXELS
#endif
