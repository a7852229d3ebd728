// Resizing: rows are combined first (whole vectors), then columns of the combined row.
#ifndef CK_TIER
#include "include/ck_resize.h"
#include "internal.h"

#define CK_SELF "resize.c"
#include "tiers.h"

void ck_resize_nearest_f32(float *out, const CK_U(float) *in, size_t in_h, size_t in_w, size_t out_h, size_t out_w,
                           const CK_U(int32_t) *rows, const CK_U(int32_t) *cols, float outside, size_t begin, size_t end) {
    for (size_t plane = begin; plane < end; plane++) {
        const CK_U(float) *x = in + plane * in_h * in_w;
        float *dst = out + plane * out_h * out_w;
        for (size_t y = 0; y < out_h; y++, dst += out_w) {
            if (rows[y] < 0) {
                for (size_t i = 0; i < out_w; i++) dst[i] = outside;
            } else if (y > 0 && rows[y] == rows[y - 1]) {
                memcpy(dst, dst - out_w, out_w * sizeof *dst);
            } else {
                const CK_U(float) *line = x + (size_t)rows[y] * in_w;
                for (size_t i = 0; i < out_w; i++) dst[i] = cols[i] < 0 ? outside : line[cols[i]];
            }
        }
    }
}

size_t ck_resize_scratch_bytes(size_t in_w, size_t out_w) {
    (void)out_w;
    return in_w * sizeof(float) + 64;
}

void ck_resize_separable_f32(float *out, const CK_U(float) *in, size_t in_h, size_t in_w, size_t out_h, size_t out_w,
                             size_t taps_h, const CK_U(int32_t) *row_index, const CK_U(float) *row_weights, size_t taps_w,
                             const CK_U(int32_t) *col_index, const CK_U(float) *col_weights, size_t begin, size_t end,
                             void *scratch) {
    CK_CALL(separable, out, in, in_h, in_w, out_h, out_w, taps_h, row_index, row_weights, taps_w, col_index,
            col_weights, begin, end, scratch);
}

#else

static void T(separable)(float *out, const CK_U(float) *in, size_t in_h, size_t in_w, size_t out_h, size_t out_w, size_t taps_h,
                         const CK_U(int32_t) *row_index, const CK_U(float) *row_weights, size_t taps_w, const CK_U(int32_t) *col_index,
                         const CK_U(float) *col_weights, size_t begin, size_t end, void *scratch) {
    float *line = scratch;
    for (size_t plane = begin; plane < end; plane++) {
        const CK_U(float) *x = in + plane * in_h * in_w;
        float *dst = out + plane * out_h * out_w;
        for (size_t y = 0; y < out_h; y++, dst += out_w) {
            const CK_U(int32_t) *index = row_index + y * taps_h;
            const CK_U(float) *weight = row_weights + y * taps_h;
            for (size_t i = 0; i < in_w; i += W) {
                const size_t left = in_w - i;
                vf s = VS(0);
                for (size_t t = 0; t < taps_h; t++) {
                    if (weight[t] == 0) continue;
                    const CK_U(float) *row = x + (size_t)index[t] * in_w + i;
                    s = VFMA(VS(weight[t]), left >= W ? LD(row) : LDN(row, left), s);
                }
                if (left >= W) {
                    ST(line + i, s);
                } else {
                    STN(line + i, s, left);
                }
            }
            if (taps_w == 2) {
                for (size_t i = 0; i < out_w; i++)
                    dst[i] = line[col_index[2 * i]] * col_weights[2 * i] + line[col_index[2 * i + 1]] * col_weights[2 * i + 1];
                continue;
            }
            for (size_t i = 0; i < out_w; i++) {
                float s = 0;
                for (size_t t = 0; t < taps_w; t++) s += line[col_index[i * taps_w + t]] * col_weights[i * taps_w + t];
                dst[i] = s;
            }
        }
    }
}

#endif
