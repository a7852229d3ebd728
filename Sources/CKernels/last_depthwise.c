// Depthwise convolution over channels-last float32: one filter a channel.
#ifndef CK_TIER
#include "include/ck_last.h"
#include "internal.h"
#include "window.h"

/// What stays the same along an output line. Outputs [lo, hi) have all their taps inside the line.
typedef struct dw_line {
    const ck_window *window;
    size_t channels;
    ptrdiff_t lo, hi;
    ptrdiff_t step;  ///< floats between the inputs of neighbouring outputs
    ck_activation act;  ///< CK_UNARY_CLIP where it is none or a clamp
} dw_line;

#define CK_SELF "last_depthwise.c"
#include "tiers.h"

void ck_last_depthwise_f32(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *bias,
                           const CK_U(float) *residual, size_t channels, const ck_window *w, size_t begin, size_t end,
                           const ck_activation *act) {
    CK_CALL(last_depthwise, out, in, weights, bias, residual, channels, w, begin, end, act);
}

#else

// Sums at once: outputs of the inside, vectors of channels.
#define PIXELS 6
#if CK_TIER == 2
#define VECTORS 4
#else
#define VECTORS 2
#endif

/// `pixels` neighbouring outputs from output `ow` on, `vectors` of channels from `c` on, the last of them `left` wide (W: all of it). Taps
/// [kw0, kw1) of a line are inside for all of them.
static inline __attribute__((always_inline)) void T(dw_tile)(const int pixels, const int vectors, const dw_line *l, float *out,
                                                             const CK_U(float) *const *lines, const CK_U(float) *const *taps, ptrdiff_t count,
                                                             const CK_U(float) *bias, const CK_U(float) *residual, size_t c,
                                                             size_t left, ptrdiff_t ow, ptrdiff_t kw0, ptrdiff_t kw1) {
    const ck_window *w = l->window;
    const ptrdiff_t channels = (ptrdiff_t)l->channels, stride = w->dilation[2] * channels, step = l->step;
    const ptrdiff_t at = (ow * w->stride[2] - w->pad_begin[2] + kw0 * w->dilation[2]) * channels + (ptrdiff_t)c;
    vf acc[PIXELS][VECTORS];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
        const vf first = !bias ? VS(0) : left < W ? LDN(bias + c, left) : LD(bias + c + v * W);
#pragma clang loop unroll(full)
        for (int q = 0; q < pixels; q++) acc[q][v] = first;
    }
    for (ptrdiff_t line = 0; line < count; line++) {
        const CK_U(float) *x = lines[line] + at, *k = taps[line] + kw0 * channels + (ptrdiff_t)c;
        for (ptrdiff_t kw = kw0; kw < kw1; kw++, x += stride, k += channels) {
            vf tap[VECTORS];
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) tap[v] = left < W ? LDN(k, left) : LD(k + v * W);
            const CK_U(float) *second = x + 3 * step;
#pragma clang loop unroll(full)
            for (int q = 0; q < pixels; q++) {
                // Within reach of a scaled index: no address has a register of its own.
                const CK_U(float) *pixel = q < 3 ? x + q * step : second + (q - 3) * step;
#pragma clang loop unroll(full)
                for (int v = 0; v < vectors; v++)
                    acc[q][v] = VFMA(tap[v], left < W ? LDN(pixel, left) : LD(pixel + v * W), acc[q][v]);
            }
        }
    }
    const vf p0 = VS(l->act.p0), p1 = VS(l->act.p1);
    const bool clamps = l->act.op == CK_UNARY_CLIP;
    out += (size_t)ow * l->channels + c;
    if (residual) residual += (size_t)ow * l->channels + c;
#pragma clang loop unroll(full)
    for (int q = 0; q < pixels; q++, out += l->channels) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            vf y = acc[q][v];
            if (residual) y += left < W ? LDN(residual, left) : LD(residual + v * W);
            if (clamps) y = vclamp(y, p0, p1);
            if (left < W) STN(out, y, left);
            else ST(out + v * W, y);
        }
        if (residual) residual += l->channels;
    }
    if (clamps) return;
    for (int i = pixels * vectors - 1; i >= 0; i--) {
        if (i % vectors == vectors - 1) out -= l->channels;
        float *y = out + i % vectors * W;
        if (left < W) STN(y, vactivate(l->act.op, LDN(y, left), p0, p1), left);
        else ST(y, vactivate(l->act.op, LD(y), p0, p1));
    }
}

/// One output line of `vectors` of channels from `c` on.
static inline __attribute__((always_inline)) void T(dw_columns)(const int vectors, const dw_line *l, float *out,
                                                                const CK_U(float) *const *lines, const CK_U(float) *const *taps, ptrdiff_t count,
                                                                const CK_U(float) *bias, const CK_U(float) *residual, size_t c,
                                                                size_t left) {
    const ck_window *w = l->window;
#define TILE(pixels, kw0, kw1) T(dw_tile)(pixels, vectors, l, out, lines, taps, count, bias, residual, c, left, ow, kw0, kw1)
    WINDOW_LINE(w, l->lo, l->hi, PIXELS, 3, TILE)
#undef TILE
}

/// An output line: the lines of input with a tap inside the image, and their taps.
typedef struct T(dw_rows) {
    const CK_U(float) *lines[CK_DEPTHWISE_LINES], *taps[CK_DEPTHWISE_LINES];
    ptrdiff_t count;
} T(dw_rows);

static void T(dw_find)(T(dw_rows) * rows, const dw_line *l, const CK_U(float) *in, const CK_U(float) *weights, size_t line) {
    const ck_window *w = l->window;
    const ptrdiff_t oh = (ptrdiff_t)line % w->out[1], od = (ptrdiff_t)line / w->out[1] % w->out[0], channels = (ptrdiff_t)l->channels;
    const CK_U(float) *item = in + (ptrdiff_t)line / w->out[1] / w->out[0] * window_in(w) * channels;
    rows->count = 0;
    for (ptrdiff_t kd = 0; kd < w->kernel[0]; kd++) {
        for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++) {
            const ptrdiff_t d = window_at(w, 0, od, kd), h = window_at(w, 1, oh, kh);
            if (d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1]) continue;
            rows->lines[rows->count] = item + (d * w->in[1] + h) * w->in[2] * channels;
            rows->taps[rows->count++] = weights + (kd * w->kernel[1] + kh) * w->kernel[2] * channels;
        }
    }
}

static void T(last_depthwise)(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *bias,
                              const CK_U(float) *residual, size_t channels, const ck_window *w, size_t begin, size_t end,
                              const ck_activation *act) {
    enum { BAND = 8 };  // lines that read the same taps while these are in the first-level cache
    T(dw_rows) band[BAND];
    const bool late = !ck_is_vector_activation(act->op);
    dw_line l = {.window = w, .channels = channels, .step = w->stride[2] * (ptrdiff_t)channels,
                 .act = ck_clamp_of(act)};
    window_inside(w, &l.lo, &l.hi);
    const size_t line_size = (size_t)w->out[2] * channels;
    for (size_t line = begin, count; line < end; line += count) {
        count = ck_min(BAND, end - line);
        for (size_t i = 0; i < count; i++) T(dw_find)(&band[i], &l, in, weights, line + i);
        float *y = out + line * line_size;
        const CK_U(float) *r = residual ? residual + line * line_size : NULL;
        for (size_t c = 0, step; c < channels; c += step) {
            const size_t left = channels - c;
            step = left >= VECTORS * W ? VECTORS * W : left >= 2 * W ? 2 * W : ck_min(W, left);
            for (size_t i = 0; i < count; i++) {
                float *to = y + i * line_size;
                const CK_U(float) *from = r ? r + i * line_size : NULL;
                if (step == VECTORS * W) T(dw_columns)(VECTORS, &l, to, band[i].lines, band[i].taps, band[i].count, bias, from, c, W);
                else if (step == 2 * W) T(dw_columns)(2, &l, to, band[i].lines, band[i].taps, band[i].count, bias, from, c, W);
                else if (step == W) T(dw_columns)(1, &l, to, band[i].lines, band[i].taps, band[i].count, bias, from, c, W);
                else T(dw_columns)(1, &l, to, band[i].lines, band[i].taps, band[i].count, bias, from, c, left);
            }
        }
        if (late) ck_unary_f32(act->op, y, y, count * line_size, act->p0, act->p1);
    }
}

#undef PIXELS
#undef VECTORS
#endif
