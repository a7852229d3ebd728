// Private: index arithmetic over ck_window.
#ifndef CK_WINDOW_PRIVATE_H
#define CK_WINDOW_PRIVATE_H

#include "include/ck_window.h"
#include "internal.h"

static inline ptrdiff_t window_in(const ck_window *w) { return w->in[0] * w->in[1] * w->in[2]; }
static inline ptrdiff_t window_out(const ck_window *w) { return w->out[0] * w->out[1] * w->out[2]; }
static inline ptrdiff_t window_taps(const ck_window *w) { return w->kernel[0] * w->kernel[1] * w->kernel[2]; }

/// Input position of output o, tap t on an axis; outside [0, in) it is padding.
static inline ptrdiff_t window_at(const ck_window *w, int axis, ptrdiff_t o, ptrdiff_t t) {
    return o * w->stride[axis] + t * w->dilation[axis] - w->pad_begin[axis];
}

/// Outputs [*lo, *hi) on the last axis whose tap t falls inside the input; within [0, out].
static inline void window_range(const ck_window *w, int axis, ptrdiff_t t, ptrdiff_t *lo, ptrdiff_t *hi) {
    const ptrdiff_t s = w->stride[axis], off = t * w->dilation[axis] - w->pad_begin[axis];
    ptrdiff_t first = off >= 0 ? 0 : (-off + s - 1) / s;
    ptrdiff_t last = w->in[axis] - 1 - off < 0 ? 0 : (w->in[axis] - 1 - off) / s + 1;
    if (last > w->out[axis]) last = w->out[axis];
    if (first > last) first = last;
    *lo = first;
    *hi = last;
}

/// Outputs [*lo, *hi) on the last axis all of whose taps fall inside the input; none where *hi <= *lo.
static inline void window_inside(const ck_window *w, ptrdiff_t *lo, ptrdiff_t *hi) {
    ptrdiff_t other;
    window_range(w, 2, 0, lo, &other);
    window_range(w, 2, w->kernel[2] - 1, &other, hi);
}

/// Walks an output line: TILE(n, kw0, kw1) makes the n outputs from `ow` on, whose taps [kw0, kw1) fall inside the input. Those of [lo, hi) go
/// `many` at a time, then `some`; the others one by one.
#define WINDOW_LINE(w, lo, hi, many, some, TILE)                   \
    for (ptrdiff_t ow = 0, n; ow < (w)->out[2]; ow += n) {         \
        if (ow < (lo) || ow >= (hi)) {                             \
            ptrdiff_t kw0, kw1;                                    \
            window_tap_range(w, 2, ow, &kw0, &kw1);                \
            n = 1;                                                 \
            TILE(1, kw0, kw1);                                     \
        } else if (ow + (many) <= (hi)) {                          \
            n = (many);                                            \
            TILE(many, 0, (w)->kernel[2]);                         \
        } else if (ow + (some) <= (hi)) {                          \
            n = (some);                                            \
            TILE(some, 0, (w)->kernel[2]);                         \
        } else {                                                   \
            n = 1;                                                 \
            TILE(1, 0, (w)->kernel[2]);                            \
        }                                                          \
    }

/// Taps of output o on an axis that fall inside [-before, in + after).
static inline ptrdiff_t window_taps_inside(const ck_window *w, int axis, ptrdiff_t o, bool padded) {
    const ptrdiff_t before = padded ? w->pad_begin[axis] : 0, after = padded ? w->pad_end[axis] : 0;
    ptrdiff_t count = 0;
    for (ptrdiff_t t = 0; t < w->kernel[axis]; t++) {
        const ptrdiff_t i = window_at(w, axis, o, t);
        count += i >= -before && i < w->in[axis] + after;
    }
    return count;
}

/// Taps [*lo, *hi) of output o on an axis that fall inside the input.
static inline void window_tap_range(const ck_window *w, int axis, ptrdiff_t o, ptrdiff_t *lo, ptrdiff_t *hi) {
    const ptrdiff_t d = w->dilation[axis], at = o * w->stride[axis] - w->pad_begin[axis], left = w->in[axis] - at;
    ptrdiff_t first = at >= 0 ? 0 : d == 1 ? -at : (-at + d - 1) / d;
    ptrdiff_t last = left <= 0 ? 0 : d == 1 ? left : (left - 1) / d + 1;
    if (last > w->kernel[axis]) last = w->kernel[axis];
    if (first > last) first = last;
    *lo = first;
    *hi = last;
}

#endif
