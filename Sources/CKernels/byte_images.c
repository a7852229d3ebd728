// Images of bytes: the largest of a window, the nearest position.
#ifndef CK_TIER
#include "include/ck_byte_images.h"
#include "internal.h"
#include "window.h"

#define CK_SELF "byte_images.c"
#include "tiers.h"

void ck_last_maxpool_u8(uint8_t *out, const uint8_t *in, bool is_signed, size_t channels, const ck_window *w, size_t begin, size_t end) {
    CK_CALL(maxpool_u8, out, in, is_signed ? 0x80 : 0, channels, w, begin, end);
}

void ck_planes_maxpool_u8(uint8_t *out, const uint8_t *in, bool is_signed, const ck_window *w, size_t begin, size_t end) {
    CK_CALL(planes_maxpool_u8, out, in, is_signed ? 0x80 : 0, w, begin, end);
}

void ck_nearest_bytes(void *out, const void *in, size_t width, size_t in_h, size_t in_w, size_t out_h, size_t out_w, const CK_U(int32_t) *rows,
                      const CK_U(int32_t) *cols, size_t begin, size_t end) {
    const size_t line = out_w * width;
    for (size_t y = begin; y < end; y++) {
        char *to = (char *)out + y * line;
        const size_t row = y % out_h;
        if (y > begin && row > 0 && rows[row] == rows[row - 1]) {
            memcpy(to, to - line, line);
            continue;
        }
        const char *from = (const char *)in + (y / out_h * in_h + (size_t)rows[row]) * in_w * width;
        if (width == 1) {
            for (size_t i = 0; i < out_w; i++) to[i] = from[cols[i]];
        } else {
            for (size_t i = 0; i < out_w; i++) memcpy(to + i * width, from + (size_t)cols[i] * width, width);
        }
    }
}

#else

typedef uint8_t T(bytes) __attribute__((ext_vector_type(4 * W)));
typedef T(bytes) T(bytes_at) __attribute__((aligned(1), may_alias));

/// The first `left` of 4 * W bytes.
INL T(bytes) T(load_bytes)(const uint8_t *p, size_t left) {
    if (left >= 4 * W) return *(const T(bytes_at) *)(const void *)p;
    T(bytes) v = 0;
    memcpy(&v, p, left);
    return v;
}

/// `flip` makes int8 ordered as uint8.
static void T(maxpool_u8)(uint8_t *out, const uint8_t *in, uint8_t flip, size_t channels, const ck_window *w, size_t begin, size_t end) {
    const ptrdiff_t n = (ptrdiff_t)channels;
    for (size_t line = begin; line < end; line++) {
        const ptrdiff_t oh = (ptrdiff_t)line % w->out[1], od = (ptrdiff_t)line / w->out[1] % w->out[0];
        const uint8_t *item = in + (ptrdiff_t)line / w->out[1] / w->out[0] * window_in(w) * n;
        uint8_t *y = out + (ptrdiff_t)line * w->out[2] * n;
        ptrdiff_t d0, d1, h0, h1, w0, w1;
        window_tap_range(w, 0, od, &d0, &d1);
        window_tap_range(w, 1, oh, &h0, &h1);
        for (ptrdiff_t ow = 0; ow < w->out[2]; ow++, y += n) {
            window_tap_range(w, 2, ow, &w0, &w1);
            for (ptrdiff_t c = 0; c < n; c += 4 * W) {
                const size_t left = (size_t)(n - c);
                T(bytes) best = 0;
                for (ptrdiff_t kd = d0; kd < d1; kd++) {
                    for (ptrdiff_t kh = h0; kh < h1; kh++) {
                        const ptrdiff_t row = window_at(w, 0, od, kd) * w->in[1] + window_at(w, 1, oh, kh);
                        const uint8_t *x = item + (row * w->in[2] + window_at(w, 2, ow, w0)) * n + c;
                        for (ptrdiff_t kw = w0; kw < w1; kw++, x += w->dilation[2] * n)
                            best = __builtin_elementwise_max(best, T(load_bytes)(x, left) ^ flip);
                    }
                }
                best ^= flip;
                memcpy(y + c, &best, ck_min(left, 4 * W));
            }
        }
    }
}

typedef uint16_t T(pairs) __attribute__((ext_vector_type(2 * W)));
typedef T(pairs) T(pairs_at) __attribute__((aligned(1), may_alias));
typedef uint8_t T(half_bytes) __attribute__((ext_vector_type(2 * W)));
typedef T(half_bytes) T(half_bytes_at) __attribute__((aligned(1), may_alias));

/// y[i] = max(y[i], x[i * stride] ^ flip).
INL void T(raise)(uint8_t *y, const uint8_t *x, ptrdiff_t n, ptrdiff_t stride, uint8_t flip) {
    ptrdiff_t i = 0;
    if (stride == 1) {
        for (; i + 4 * W <= n; i += 4 * W) {
            T(bytes_at) *const to = (T(bytes_at) *)(void *)(y + i);
            *to = __builtin_elementwise_max((T(bytes))*to, *(const T(bytes_at) *)(const void *)(x + i) ^ flip);
        }
    } else if (stride == 2) {
        // Pairs are read whole: the last one's second byte may lie behind the image.
        for (; i + 2 * W < n; i += 2 * W) {
            const T(pairs) even = *(const T(pairs_at) *)(const void *)(x + 2 * i) & 0xff;
            T(half_bytes_at) *const to = (T(half_bytes_at) *)(void *)(y + i);
            *to = __builtin_elementwise_max((T(half_bytes))*to, __builtin_convertvector(even, T(half_bytes)) ^ flip);
        }
    }
    for (; i < n; i++) {
        const uint8_t v = x[i * stride] ^ flip;
        y[i] = v > y[i] ? v : y[i];
    }
}

static void T(planes_maxpool_u8)(uint8_t *out, const uint8_t *in, uint8_t flip, const ck_window *w, size_t begin, size_t end) {
    const ptrdiff_t rows = w->out[0] * w->out[1];
    for (size_t plane = begin; plane < end; plane++) {
        const uint8_t *const x = in + (ptrdiff_t)plane * window_in(w);
        for (ptrdiff_t row = 0; row < rows; row++) {
            uint8_t *const y = out + ((ptrdiff_t)plane * rows + row) * w->out[2];
            const ptrdiff_t oh = row % w->out[1], od = row / w->out[1];
            ptrdiff_t d0, d1, h0, h1, lo, hi;
            window_tap_range(w, 0, od, &d0, &d1);
            window_tap_range(w, 1, oh, &h0, &h1);
            memset(y, 0, (size_t)w->out[2]);
            for (ptrdiff_t kd = d0; kd < d1; kd++) {
                for (ptrdiff_t kh = h0; kh < h1; kh++) {
                    const uint8_t *const line = x + (window_at(w, 0, od, kd) * w->in[1] + window_at(w, 1, oh, kh)) * w->in[2];
                    for (ptrdiff_t kw = 0; kw < w->kernel[2]; kw++) {
                        window_range(w, 2, kw, &lo, &hi);
                        if (lo < hi) T(raise)(y + lo, line + window_at(w, 2, lo, kw), hi - lo, w->stride[2], flip);
                    }
                }
            }
            for (ptrdiff_t i = 0; flip && i < w->out[2]; i++) y[i] ^= flip;
        }
    }
}

#endif
