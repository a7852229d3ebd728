// Max, average and Lp pooling of float32, channel-first, one to three spatial axes.
#ifndef CK_POOL_H
#define CK_POOL_H

#include "ck_base.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

/// Planes [begin, end) of N * C. Padding never wins; a window of padding alone gives -inf. NaN wins. `indices`: the place of
/// the maximum in the whole N * C * plane tensor, row-major (`column_major`: within the plane the last axis varies slowest);
/// the first of equals.
void ck_maxpool_f32(float *out, int64_t *_Nullable indices, const CK_U(float) *in, const ck_window *window, bool column_major,
                    size_t begin, size_t end);
/// Divides by the number of taps inside the input, or with count_include_pad inside the padded input.
void ck_avgpool_f32(float *out, const CK_U(float) *in, const ck_window *window, bool count_include_pad, size_t begin, size_t end);
/// (sum |x|^p)^(1/p); padding counts as zero.
void ck_lppool_f32(float *out, const CK_U(float) *in, const ck_window *window, float p, size_t begin, size_t end);
/// Global pooling is a reduction: see ck_reduce_f32 with inner = 1 (CK_REDUCE_MEAN, CK_REDUCE_MAX).

#pragma clang assume_nonnull end
#endif
