// Convolution: im2col and friends are data movement shared by all tiers; the depthwise and direct loops are per tier.
#ifndef CK_TIER
#include "include/ck_conv.h"
#include "include/ck_gemm.h"
#include "internal.h"
#include "window.h"

#define CK_SELF "conv.c"
#include "tiers.h"

void ck_im2col_f32(float *out, size_t ld, const CK_U(float) *in, const ck_window *w, size_t row_begin, size_t row_end,
                   size_t col_begin, size_t col_end) {
    const ptrdiff_t taps = window_taps(w), plane = window_in(w), width = w->out[2], s = w->stride[2];
    for (size_t r = row_begin; r < row_end; r++, out += ld) {
        const ptrdiff_t t = (ptrdiff_t)r % taps, kw = t % w->kernel[2], kh = t / w->kernel[2] % w->kernel[1],
                        kd = t / w->kernel[2] / w->kernel[1];
        const CK_U(float) *x = in + (ptrdiff_t)r / taps * plane;
        ptrdiff_t lo, hi;
        window_range(w, 2, kw, &lo, &hi);
        float *dst = out;
        for (ptrdiff_t p = (ptrdiff_t)col_begin; p < (ptrdiff_t)col_end;) {
            const ptrdiff_t ow = p % width, oh = p / width % w->out[1], od = p / width / w->out[1];
            const ptrdiff_t n = width - ow < (ptrdiff_t)col_end - p ? width - ow : (ptrdiff_t)col_end - p;
            const ptrdiff_t d = window_at(w, 0, od, kd), h = window_at(w, 1, oh, kh);
            if (d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1]) {
                memset(dst, 0, (size_t)n * sizeof *dst);
            } else {
                const CK_U(float) *line = x + (d * w->in[1] + h) * w->in[2] + kw * w->dilation[2] - w->pad_begin[2];
                ptrdiff_t a = lo > ow ? lo : ow, b = hi < ow + n ? hi : ow + n;
                if (a > ow + n) a = ow + n;
                if (b < a) b = a;
                for (ptrdiff_t o = ow; o < a; o++) dst[o - ow] = 0;
                if (s == 1) {
                    memcpy(dst + (a - ow), line + a, (size_t)(b - a) * sizeof *dst);
                } else if (s == 2) {
                    for (ptrdiff_t o = a; o < b; o++) dst[o - ow] = line[2 * o];
                } else {
                    for (ptrdiff_t o = a; o < b; o++) dst[o - ow] = line[o * s];
                }
                for (ptrdiff_t o = b; o < ow + n; o++) dst[o - ow] = 0;
            }
            dst += n;
            p += n;
        }
    }
}

void ck_conv_columns_f32(float *out, size_t ldc, const CK_U(float) *packed_a, size_t m, size_t row_begin, size_t row_end,
                         const CK_U(float) *in, const ck_window *window, size_t k, size_t col_begin, size_t col_end,
                         bool accumulate, const ck_gemm_epilogue *epilogue) {
    const size_t nr = ck_gemm_nr();
    const size_t plane = (size_t)(window->in[0] * window->in[1] * window->in[2]);
    const size_t taps = (size_t)(window->kernel[0] * window->kernel[1] * window->kernel[2]);
    const bool pointwise = taps == 1 && plane == (size_t)(window->out[0] * window->out[1] * window->out[2]) &&
                           window->stride[0] * window->stride[1] * window->stride[2] == 1 &&
                           window->pad_begin[0] == 0 && window->pad_begin[1] == 0 && window->pad_begin[2] == 0;
    float panel[CK_GEMM_DEPTH * 32] __attribute__((aligned(64)));
    for (size_t j = col_begin; j < col_end; j += nr) {
        const size_t cols = ck_min(nr, col_end - j);
        for (size_t k0 = 0; k0 < k; k0 += CK_GEMM_DEPTH) {
            const size_t kc = ck_min(CK_GEMM_DEPTH, k - k0);
            if (pointwise) {
                ck_gemm_pack_b(panel, in + k0 * plane + j, (ptrdiff_t)plane, 1, kc, cols, 0, 1);
            } else {
                if (cols < nr) memset(panel, 0, kc * nr * sizeof *panel);
                ck_im2col_f32(panel, nr, in, window, k0, k0 + kc, j, j + cols);
            }
            const bool last = k0 + kc == k;
            ck_gemm_epilogue e = {.alpha = 1};
            if (last && epilogue) e = *epilogue;
            if (e.residual) e.residual += j - col_begin;
            ck_gemm_panels_f32(out + (j - col_begin), ldc, packed_a + k0 * m + row_begin * kc, panel, row_end - row_begin,
                               cols, kc, k0 > 0 || accumulate, last ? &e : NULL);
        }
    }
}

void ck_col2im_f32(float *image, const CK_U(float) *col, size_t ld, const ck_window *w, size_t channel_begin,
                   size_t channel_end) {
    const ptrdiff_t taps = window_taps(w), plane = window_in(w), width = w->out[2], s = w->stride[2];
    for (size_t c = channel_begin; c < channel_end; c++) {
        float *x = image + (ptrdiff_t)c * plane;
        for (ptrdiff_t t = 0; t < taps; t++) {
            const ptrdiff_t kw = t % w->kernel[2], kh = t / w->kernel[2] % w->kernel[1],
                            kd = t / w->kernel[2] / w->kernel[1];
            const CK_U(float) *row = col + ((ptrdiff_t)c * taps + t) * (ptrdiff_t)ld;
            ptrdiff_t lo, hi;
            window_range(w, 2, kw, &lo, &hi);
            for (ptrdiff_t od = 0; od < w->out[0]; od++) {
                const ptrdiff_t d = window_at(w, 0, od, kd);
                if (d < 0 || d >= w->in[0]) continue;
                for (ptrdiff_t oh = 0; oh < w->out[1]; oh++) {
                    const ptrdiff_t h = window_at(w, 1, oh, kh);
                    if (h < 0 || h >= w->in[1]) continue;
                    float *line = x + (d * w->in[1] + h) * w->in[2] + kw * w->dilation[2] - w->pad_begin[2];
                    const CK_U(float) *src = row + (od * w->out[1] + oh) * width;
                    if (s == 1) {
                        for (ptrdiff_t o = lo; o < hi; o++) line[o] += src[o];
                    } else {
                        for (ptrdiff_t o = lo; o < hi; o++) line[o * s] += src[o];
                    }
                }
            }
        }
    }
}

/// Rows and columns of the zero-padded copy of a plane; columns leave room for whole vectors at the right edge.
static void padded_extent(const ck_window *w, ptrdiff_t *rows, ptrdiff_t *cols) {
    *rows = (w->out[1] - 1) * w->stride[1] + (w->kernel[1] - 1) * w->dilation[1] + 1;
    *cols = ((ptrdiff_t)ck_round_up((size_t)w->out[2], 16) + 16) * w->stride[2] + (w->kernel[2] - 1) * w->dilation[2] + 1;
}

size_t ck_conv_depthwise_scratch_bytes(const ck_window *w) {
    ptrdiff_t rows, cols;
    padded_extent(w, &rows, &cols);
    return (size_t)(rows * cols) * sizeof(float) + 64;
}

void ck_conv_depthwise_f32(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *bias, size_t channels,
                           size_t multiplier, const ck_window *w, size_t begin, size_t end, const ck_activation *act,
                           void *scratch) {
    ptrdiff_t rows, cols;
    padded_extent(w, &rows, &cols);
    float *padded = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    const ptrdiff_t in_size = window_in(w), out_size = window_out(w), taps = window_taps(w);
    memset(padded, 0, (size_t)(rows * cols) * sizeof *padded);
    for (size_t plane = begin; plane < end; plane++) {
        if (plane == begin || plane % multiplier == 0) {  // the border stays zero from plane to plane
            const CK_U(float) *x = in + (ptrdiff_t)(plane / multiplier) * in_size;
            const ptrdiff_t shift = w->pad_begin[2] > 0 ? 0 : -w->pad_begin[2];
            const ptrdiff_t at = w->pad_begin[2] > 0 ? w->pad_begin[2] : 0;
            ptrdiff_t n = w->in[2] - shift;
            if (n > cols - at) n = cols - at;
            for (ptrdiff_t r = 0; r < rows && n > 0; r++) {
                const ptrdiff_t h = r - w->pad_begin[1];
                if (h >= 0 && h < w->in[1])
                    memcpy(padded + r * cols + at, x + h * w->in[2] + shift, (size_t)n * sizeof *padded);
            }
        }
        const size_t channel = plane % (channels * multiplier);
        float *dst = out + (ptrdiff_t)plane * out_size;
        CK_CALL(depthwise, dst, padded, cols, weights + (ptrdiff_t)channel * taps, bias ? bias[channel] : 0.0f, w, act);
    }
}

void ck_conv_direct_f32(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *bias, size_t channels,
                        size_t out_channels, size_t groups, const ck_window *w, size_t begin, size_t end,
                        const ck_activation *act) {
    CK_CALL(conv_direct, out, in, weights, bias, channels, out_channels, groups, w, begin, end);
    if (act && act->op) {
        float *first = out + (ptrdiff_t)begin * window_out(w);
        ck_unary_f32(act->op, first, first, (end - begin) * (size_t)window_out(w), act->p0, act->p1);
    }
}

void ck_bias_act_rows(float *x, size_t ld, size_t n, const CK_U(float) *bias, size_t bias_count, const CK_U(float) *residual,
                      size_t begin, size_t end, const ck_activation *act) {
    for (size_t r = begin; r < end; r++) {
        CK_CALL(bias_row, x + r * ld, n, bias ? bias[r % bias_count] : 0.0f, residual ? residual + r * ld : NULL, act);
    }
}

#else

/// W elements x[0], x[stride], ...; reads up to W * stride elements.
static inline __attribute__((always_inline)) vf T(load_strided)(const CK_U(float) *x, ptrdiff_t stride) {
    if (stride == 1) return LD(x);
    vf v;
    if (stride == 2) {
        const vf a = LD(x), b = LD(x + W);
#if W == 16
        v = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
#elif W == 8
        v = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
#else
        v = __builtin_shufflevector(a, b, 0, 2, 4, 6);
#endif
        return v;
    }
    for (int i = 0; i < W; i++) v[i] = x[i * stride];
    return v;
}

/// `vectors` vectors of one output row.
static inline __attribute__((always_inline)) void T(dw_block)(const int vectors, float *dst, ptrdiff_t left, const CK_U(float) *x,
                                                              ptrdiff_t cols, const CK_U(float) *k, vf bias, const ck_window *w,
                                                              const ptrdiff_t stride) {
    vf acc[4];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) acc[v] = bias;
    for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++) {
        const CK_U(float) *line = x + kh * w->dilation[1] * cols;
        for (ptrdiff_t kw = 0; kw < w->kernel[2]; kw++, line += w->dilation[2]) {
            const vf weight = VS(*k++);
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) acc[v] = VFMA(weight, T(load_strided)(line + v * W * stride, stride), acc[v]);
        }
    }
    for (int v = 0; v < vectors; v++) {
        if (left - v * W >= W) {
            ST(dst + v * W, acc[v]);
        } else if (left > v * W) {
            STN(dst + v * W, acc[v], (size_t)(left - v * W));
        }
    }
}

static inline __attribute__((always_inline)) void T(dw_row)(float *dst, const CK_U(float) *x, ptrdiff_t cols, const CK_U(float) *k,
                                                            vf bias, const ck_window *w, const ptrdiff_t stride) {
    const ptrdiff_t n = w->out[2];
    ptrdiff_t o = 0;
    for (; o + 4 * W <= n; o += 4 * W) T(dw_block)(4, dst + o, n - o, x + o * stride, cols, k, bias, w, stride);
    for (; o + 2 * W <= n; o += 2 * W) T(dw_block)(2, dst + o, n - o, x + o * stride, cols, k, bias, w, stride);
    for (; o < n; o += W) T(dw_block)(1, dst + o, n - o, x + o * stride, cols, k, bias, w, stride);
}

static void T(depthwise)(float *out, const CK_U(float) *padded, ptrdiff_t cols, const CK_U(float) *k, float bias, const ck_window *w,
                         const ck_activation *act) {
    for (ptrdiff_t oh = 0; oh < w->out[1]; oh++) {
        float *dst = out + oh * w->out[2];
        const CK_U(float) *x = padded + oh * w->stride[1] * cols;
        switch (w->stride[2]) {
        case 1: T(dw_row)(dst, x, cols, k, VS(bias), w, 1); break;
        case 2: T(dw_row)(dst, x, cols, k, VS(bias), w, 2); break;
        default: T(dw_row)(dst, x, cols, k, VS(bias), w, w->stride[2]); break;
        }
    }
    if (act && act->op) ck_unary_f32(act->op, out, out, (size_t)window_out(w), act->p0, act->p1);
}

static void T(axpy)(float *acc, const CK_U(float) *x, float weight, ptrdiff_t n, ptrdiff_t stride) {
    ptrdiff_t i = 0;
    if (stride == 1) {
        for (; i + W <= n; i += W) ST(acc + i, VFMA(VS(weight), LD(x + i), LD(acc + i)));
    }
    for (; i < n; i++) acc[i] += weight * x[i * stride];
}

static void T(conv_direct)(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *bias, size_t channels,
                           size_t out_channels, size_t groups, const ck_window *w, size_t begin, size_t end) {
    const ptrdiff_t in_size = window_in(w), out_size = window_out(w), taps = window_taps(w);
    const size_t per = channels / groups, out_per = out_channels / groups;
    for (size_t plane = begin; plane < end; plane++) {
        const size_t oc = plane % out_channels;
        const CK_U(float) *x = in + (ptrdiff_t)(plane / out_channels * channels + oc / out_per * per) * in_size;
        float *row = out + (ptrdiff_t)plane * out_size;
        for (ptrdiff_t o = 0; o < out_size; o += w->out[2], row += w->out[2]) {
            const ptrdiff_t oh = o / w->out[2] % w->out[1], od = o / w->out[2] / w->out[1];
            for (ptrdiff_t i = 0; i < w->out[2]; i++) row[i] = bias ? bias[oc] : 0.0f;
            for (size_t ic = 0; ic < per; ic++) {
                const CK_U(float) *k = weights + (ptrdiff_t)(oc * per + ic) * taps;
                for (ptrdiff_t t = 0; t < taps; t++) {
                    const ptrdiff_t kw = t % w->kernel[2], d = window_at(w, 0, od, t / w->kernel[2] / w->kernel[1]),
                                    h = window_at(w, 1, oh, t / w->kernel[2] % w->kernel[1]);
                    if (d < 0 || h < 0 || d >= w->in[0] || h >= w->in[1]) continue;
                    ptrdiff_t lo, hi;
                    window_range(w, 2, kw, &lo, &hi);
                    if (lo >= hi) continue;
                    const CK_U(float) *line = x + (ptrdiff_t)ic * in_size + (d * w->in[1] + h) * w->in[2];
                    T(axpy)(row + lo, line + window_at(w, 2, lo, kw), k[t], hi - lo, w->stride[2]);
                }
            }
        }
    }
}

static void T(bias_row)(float *x, size_t n, float bias, const CK_U(float) *residual, const ck_activation *act) {
    const bool relu = act && act->op == CK_UNARY_RELU;
    for (size_t i = 0; i < n; i += W) {
        const size_t left = n - i;
        vf v = (left >= W ? LD(x + i) : LDN(x + i, left)) + VS(bias);
        if (residual) v += left >= W ? LD(residual + i) : LDN(residual + i, left);
        if (relu) v = vsel(v < VS(0), VS(0), v);
        if (left >= W) {
            ST(x + i, v);
        } else {
            STN(x + i, v, left);
        }
    }
    if (act && act->op && !relu) ck_unary_f32(act->op, x, x, n, act->p0, act->p1);
}

#endif
