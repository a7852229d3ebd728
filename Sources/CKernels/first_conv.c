// Convolution of an image whose few channels come first, to channels last: a network's first layer. Each input is a factor of all
// output channels of its positions, so that it can be read where it stands.
#ifndef CK_TIER
#include "include/ck_last.h"
#include "internal.h"
#include "window.h"

/// What stays the same along an output line. Outputs [lo, hi) have all their taps inside the line.
typedef struct first_line {
    const ck_window *window;
    size_t n, pitch;  ///< output channels, and floats of a tap's packed weights
    ptrdiff_t lo, hi;
    ptrdiff_t count;  ///< lines of input with a tap inside the image
    ck_activation act;  ///< CK_UNARY_CLIP where it is none or a clamp
} first_line;

static size_t pitch_of(size_t n) { return ck_round_up(n, 16); }

#define CK_SELF "first_conv.c"
#include "tiers.h"

size_t ck_first_packed_size(size_t channels, size_t taps, size_t n) { return channels * taps * pitch_of(n); }

void ck_first_pack(float *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t taps) {
    const size_t depth = channels * taps, pitch = pitch_of(n);
    memset(packed, 0, depth * pitch * sizeof *packed);
    for (size_t j = 0; j < n; j++) {
        for (size_t p = 0; p < depth; p++) packed[p * pitch + j] = weights[j * depth + p];
    }
}

void ck_first_conv_f32(float *out, const CK_U(float) *in, const CK_U(float) *packed, const CK_U(float) *bias, size_t channels, size_t n,
                       const ck_window *w, size_t begin, size_t end, const ck_activation *act) {
    CK_CALL(first_conv, out, in, packed, bias, channels, n, w, begin, end, act);
}

#else

// Positions at once beside 4, 2 and 1 vectors of output channels: the sums fill the registers.
#if CK_TIER == 2
#define VECTORS 4
#define PIXELS(vectors) ((vectors) == 4 ? 6 : 12)
#else
#define VECTORS 2
#define PIXELS(vectors) 6
#endif

/// `pixels` neighbouring outputs from `ow` on, `vectors` of channels from `c` on, of the last of which `left` are stored (W: all). `step`:
/// floats between their inputs, 0 where it is not known beforehand. Taps [kw0, kw1) of a line are inside for all of them.
static inline __attribute__((always_inline)) void T(first_tile)(const int pixels, const int vectors, const ptrdiff_t step, const first_line *l,
                                                                float *out, const CK_U(float) *const *lines,
                                                                const CK_U(float) *const *taps, const CK_U(float) *bias, size_t c,
                                                                size_t left, ptrdiff_t ow, ptrdiff_t kw0, ptrdiff_t kw1) {
    const ck_window *w = l->window;
    const ptrdiff_t stride = w->stride[2], by = step ? step : stride, at = ow * stride - w->pad_begin[2] + kw0 * w->dilation[2];
    vf acc[12][VECTORS];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) {
        const vf first = !bias ? VS(0) : left < W ? LDN(bias + c, left) : LD(bias + c + v * W);
#pragma clang loop unroll(full)
        for (int q = 0; q < pixels; q++) acc[q][v] = first;
    }
    for (ptrdiff_t line = 0; line < l->count; line++) {
        const CK_U(float) *x = lines[line] + at, *k = taps[line] + kw0 * (ptrdiff_t)l->pitch + (ptrdiff_t)c;
        for (ptrdiff_t kw = kw0; kw < kw1; kw++, x += w->dilation[2], k += l->pitch) {
            vf tap[VECTORS];
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) tap[v] = LD(k + v * W);
#pragma clang loop unroll(full)
            for (int q = 0; q < pixels; q++) {
                const vf pixel = VS(x[q * by]);
#pragma clang loop unroll(full)
                for (int v = 0; v < vectors; v++) acc[q][v] = VFMA(tap[v], pixel, acc[q][v]);
            }
        }
    }
    const vf p0 = VS(l->act.p0), p1 = VS(l->act.p1);
    const bool clamps = l->act.op == CK_UNARY_CLIP;
    out += (size_t)ow * l->n + c;
#pragma clang loop unroll(full)
    for (int q = 0; q < pixels; q++, out += l->n) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            const vf y = clamps ? vclamp(acc[q][v], p0, p1) : acc[q][v];
            if (left < W) STN(out, y, left);
            else ST(out + v * W, y);
        }
    }
    if (clamps) return;
    for (int i = pixels * vectors - 1; i >= 0; i--) {
        if (i % vectors == vectors - 1) out -= l->n;
        float *y = out + i % vectors * W;
        if (left < W) STN(y, vactivate(l->act.op, LDN(y, left), p0, p1), left);
        else ST(y, vactivate(l->act.op, LD(y), p0, p1));
    }
}

static inline __attribute__((always_inline)) void T(first_columns)(const int vectors, const ptrdiff_t step, const first_line *l, float *out,
                                                                   const CK_U(float) *const *lines, const CK_U(float) *const *taps,
                                                                   const CK_U(float) *bias, size_t c, size_t left) {
    const ck_window *w = l->window;
    const int many = PIXELS(vectors), some = PIXELS(vectors) / 3;
#define TILE(pixels, kw0, kw1) T(first_tile)(pixels, vectors, step, l, out, lines, taps, bias, c, left, ow, kw0, kw1)
    WINDOW_LINE(w, l->lo, l->hi, many, some, TILE)
#undef TILE
}

static inline __attribute__((always_inline)) void T(first_whole_line)(const ptrdiff_t step, const first_line *l, float *out,
                                                                      const CK_U(float) *const *lines, const CK_U(float) *const *taps,
                                                                      const CK_U(float) *bias) {
    size_t c = 0;
    for (; c + VECTORS * W <= l->n; c += VECTORS * W) T(first_columns)(VECTORS, step, l, out, lines, taps, bias, c, W);
#if VECTORS > 2
    for (; c + 2 * W <= l->n; c += 2 * W) T(first_columns)(2, step, l, out, lines, taps, bias, c, W);
#endif
    for (; c + W <= l->n; c += W) T(first_columns)(1, step, l, out, lines, taps, bias, c, W);
    if (c < l->n) T(first_columns)(1, step, l, out, lines, taps, bias, c, l->n - c);
}

static void T(first_conv)(float *out, const CK_U(float) *in, const CK_U(float) *packed, const CK_U(float) *bias, size_t channels, size_t n,
                          const ck_window *w, size_t begin, size_t end, const ck_activation *act) {
    const CK_U(float) *lines[CK_FIRST_LINES], *taps[CK_FIRST_LINES];
    const bool late = !ck_is_vector_activation(act->op);
    first_line l = {.window = w, .n = n, .pitch = pitch_of(n), .act = ck_clamp_of(act)};
    window_inside(w, &l.lo, &l.hi);
    const size_t line_size = (size_t)w->out[2] * n;
    for (size_t line = begin; line < end; line++) {
        const ptrdiff_t oh = (ptrdiff_t)line % w->out[1], od = (ptrdiff_t)line / w->out[1] % w->out[0];
        const CK_U(float) *item = in + (ptrdiff_t)line / w->out[1] / w->out[0] * window_in(w) * (ptrdiff_t)channels;
        l.count = 0;
        for (ptrdiff_t c = 0; c < (ptrdiff_t)channels; c++) {
            for (ptrdiff_t t = 0; t < w->kernel[0] * w->kernel[1]; t++) {
                const ptrdiff_t d = window_at(w, 0, od, t / w->kernel[1]), h = window_at(w, 1, oh, t % w->kernel[1]);
                if (d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1]) continue;
                lines[l.count] = item + ((c * w->in[0] + d) * w->in[1] + h) * w->in[2];
                taps[l.count++] = packed + (c * w->kernel[0] * w->kernel[1] + t) * w->kernel[2] * (ptrdiff_t)l.pitch;
            }
        }
        float *y = out + line * line_size;
        switch (w->stride[2]) {
        case 1: T(first_whole_line)(1, &l, y, lines, taps, bias); break;
        case 2: T(first_whole_line)(2, &l, y, lines, taps, bias); break;
        default: T(first_whole_line)(0, &l, y, lines, taps, bias); break;
        }
        if (late) ck_unary_f32(act->op, y, y, line_size, act->p0, act->p1);
    }
}

#undef VECTORS
#undef PIXELS
#endif
