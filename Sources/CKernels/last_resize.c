// Resizing and the sum of transposed convolutions over channels-last images: whole vectors of channels move and add.
#ifndef CK_TIER
#include "include/ck_last.h"
#include "internal.h"
#include "window.h"

#define CK_SELF "last_resize.c"
#include "tiers.h"

void ck_last_resize_f32(float *out, const CK_U(float) *in, size_t channels, size_t in_h, size_t in_w, size_t out_h, size_t out_w,
                        size_t taps_h, const CK_U(int32_t) *row_index, const CK_U(float) *row_weights, size_t taps_w,
                        const CK_U(int32_t) *col_index, const CK_U(float) *col_weights, size_t begin, size_t end) {
    for (size_t line = begin; line < end; line++) {
        const size_t y = line % out_h;
        const CK_U(float) *item = in + line / out_h * in_h * in_w * channels;
        float *dst = out + line * out_w * channels;
        if (taps_h == 1 && taps_w == 1 && row_weights[y] == 1) {
            const CK_U(float) *row = item + (size_t)row_index[y] * in_w * channels;
            for (size_t x = 0; x < out_w; x++, dst += channels) {
                if (col_weights[x] == 1) {
                    memcpy(dst, row + (size_t)col_index[x] * channels, channels * sizeof *dst);
                } else {
                    CK_CALL(last_taps, dst, row, channels, in_w, 1, row_index, row_weights, 1, col_index + x, col_weights + x);
                }
            }
            continue;
        }
        CK_CALL(last_resize, dst, item, channels, in_w, out_w, taps_h, row_index + y * taps_h, row_weights + y * taps_h,
                taps_w, col_index, col_weights);
    }
}

void ck_last_col2im_f32(float *out, const CK_U(float) *columns, size_t first, const CK_U(float) *bias, size_t channels,
                        const ck_window *w, size_t begin, size_t end) {
    CK_CALL(last_col2im, out, columns, first, bias, channels, w, begin, end);
}

#else

/// One output position.
static void T(last_taps)(float *dst, const CK_U(float) *item, size_t channels, size_t in_w, size_t taps_h,
                         const CK_U(int32_t) *rows, const CK_U(float) *row_weights, size_t taps_w, const CK_U(int32_t) *cols,
                         const CK_U(float) *col_weights) {
    for (size_t c = 0; c < channels; c += W) {
        const size_t left = channels - c;
        vf sum = VS(0);
        for (size_t i = 0; i < taps_h; i++) {
            if (row_weights[i] == 0) continue;
            const CK_U(float) *row = item + (size_t)rows[i] * in_w * channels + c;
            vf part = VS(0);
            for (size_t j = 0; j < taps_w; j++) {
                if (col_weights[j] == 0) continue;
                const CK_U(float) *x = row + (size_t)cols[j] * channels;
                part = VFMA(VS(col_weights[j]), left >= W ? LD(x) : LDN(x, left), part);
            }
            sum = VFMA(VS(row_weights[i]), part, sum);
        }
        if (left >= W) {
            ST(dst + c, sum);
        } else {
            STN(dst + c, sum, left);
        }
    }
}

static void T(last_resize)(float *dst, const CK_U(float) *item, size_t channels, size_t in_w, size_t out_w, size_t taps_h,
                           const CK_U(int32_t) *rows, const CK_U(float) *row_weights, size_t taps_w, const CK_U(int32_t) *cols,
                           const CK_U(float) *col_weights) {
    for (size_t x = 0; x < out_w; x++, dst += channels) {
        T(last_taps)(dst, item, channels, in_w, taps_h, rows, row_weights, taps_w, cols + x * taps_w, col_weights + x * taps_w);
    }
}

static inline __attribute__((always_inline)) void T(add_run)(float *to, const CK_U(float) *from, size_t n) {
    size_t i = 0;
    for (; i + W <= n; i += W) ST(to + i, LD(to + i) + LD(from + i));
    if (i < n) STN(to + i, LDN(to + i, n - i) + LDN(from + i, n - i), n - i);
}

static void T(last_col2im)(float *out, const CK_U(float) *columns, size_t first, const CK_U(float) *bias, size_t channels,
                           const ck_window *w, size_t begin, size_t end) {
    const ptrdiff_t n = (ptrdiff_t)channels, position = window_taps(w) * n;
    for (size_t line = begin; line < end; line++) {
        float *y = out + (ptrdiff_t)line * w->in[2] * n;
        for (ptrdiff_t x = 0; x < w->in[2] * n; x += n) {
            for (ptrdiff_t c = 0; c < n; c++) y[x + c] = bias ? bias[c] : 0.0f;
        }
        for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++) {
            const ptrdiff_t at = (ptrdiff_t)line + w->pad_begin[1] - kh * w->dilation[1], oh = at / w->stride[1];
            if (at < 0 || at % w->stride[1] != 0 || oh >= w->out[1]) continue;
            const CK_U(float) *row = columns + (oh - (ptrdiff_t)first) * w->out[2] * position + kh * w->kernel[2] * n;
            for (ptrdiff_t kw = 0; kw < w->kernel[2]; kw++, row += n) {
                ptrdiff_t lo, hi;
                window_range(w, 2, kw, &lo, &hi);
                float *dst = y + window_at(w, 2, lo, kw) * n;
                const ptrdiff_t step = w->stride[2] * n;
                if (n == 1) {
                    for (ptrdiff_t ow = lo; ow < hi; ow++, dst += step) *dst += row[ow * position];
                } else {
                    for (ptrdiff_t ow = lo; ow < hi; ow++, dst += step) T(add_run)(dst, row + ow * position, channels);
                }
            }
        }
    }
}

#endif
