// Data movement around products whose rows are the few positions of a convolution's result.
#include "include/ck_few.h"
#include "internal.h"
#include "window.h"

void ck_im2row_f32(float *out, size_t ld, const CK_U(float) *in, size_t channels, const ck_window *w, size_t begin, size_t end) {
    const ptrdiff_t width = w->out[2], height = w->out[1], taps = window_taps(w), plane = window_in(w);
    const ptrdiff_t across = w->kernel[2], step = w->dilation[2];
    for (size_t p = begin; p < end; p++, out += ld) {
        const ptrdiff_t ow = (ptrdiff_t)p % width, oh = (ptrdiff_t)p / width % height, od = (ptrdiff_t)p / width / height;
        const ptrdiff_t left = window_at(w, 2, ow, 0);
        // Taps [lo, hi) of a row lie inside the image.
        ptrdiff_t lo = left >= 0 ? 0 : (-left + step - 1) / step;
        ptrdiff_t hi = w->in[2] - left <= 0 ? 0 : (w->in[2] - left + step - 1) / step;
        if (hi > across) hi = across;
        if (lo > hi) lo = hi;
        ptrdiff_t row = 0;
        for (ptrdiff_t kd = 0; kd < w->kernel[0]; kd++) {
            const ptrdiff_t d = window_at(w, 0, od, kd);
            for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++, row += across) {
                const ptrdiff_t h = window_at(w, 1, oh, kh);
                const bool outside = d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1];
                const CK_U(float) *line = in + (outside ? 0 : (d * w->in[1] + h) * w->in[2]) + left;
                const ptrdiff_t a = outside ? 0 : lo, b = outside ? 0 : hi;
                float *dst = out + row;
                for (size_t c = 0; c < channels; c++, dst += taps, line += plane) {
                    for (ptrdiff_t t = 0; t < a; t++) dst[t] = 0;
                    for (ptrdiff_t t = a; t < b; t++) dst[t] = line[t * step];
                    for (ptrdiff_t t = b; t < across; t++) dst[t] = 0;
                }
            }
        }
    }
}

void ck_rows_to_planes_f32(float *out, const float *sums, size_t ld, size_t positions, size_t channels,
                           const CK_U(float) *bias, const CK_U(float) *residual, const ck_activation *act) {
    for (size_t c = 0; c < channels; c++) {
        const float add = bias ? bias[c] : 0;
        float *line = out + c * positions;
        const CK_U(float) *more = residual ? residual + c * positions : NULL;
        for (size_t p = 0; p < positions; p++) line[p] = sums[p * ld + c] + add + (more ? more[p] : 0);
    }
    if (act->op != CK_UNARY_NONE) ck_unary_f32(act->op, out, out, channels * positions, act->p0, act->p1);
}
