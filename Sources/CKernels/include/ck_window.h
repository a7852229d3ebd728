// The geometry that pooling and convolution kernels share: up to three spatial axes, channel-first.
#ifndef CK_WINDOW_H
#define CK_WINDOW_H

#include "ck_base.h"

/// Extents per spatial axis, outermost first; axes that do not exist come first with `in`, `out`, `kernel`, `stride` and
/// `dilation` of 1 and `pad` of 0 (a 2-D window uses [1] and [2]). `pad_begin` may be negative (cropping). The caller
/// computes `out`, ceil mode and auto_pad included. Output o, tap t reads input o * stride + t * dilation - pad_begin.
typedef struct ck_window {
    ptrdiff_t in[3];
    ptrdiff_t out[3];
    ptrdiff_t kernel[3];
    ptrdiff_t stride[3];
    ptrdiff_t dilation[3];
    ptrdiff_t pad_begin[3];
    ptrdiff_t pad_end[3];
} ck_window;

#endif
