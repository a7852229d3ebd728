// Resizing of channel-first planes by index and weight tables that the caller computes once (one per axis), so that every
// coordinate transformation, rounding and exclusion mode of Resize is the caller's table.
#ifndef CK_RESIZE_H
#define CK_RESIZE_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// out[y][x] = in[rows[y]][cols[x]], planes [begin, end). A negative index gives `outside` (crop and resize).
void ck_resize_nearest_f32(float *out, const CK_U(float) *in, size_t in_h, size_t in_w, size_t out_h, size_t out_w,
                           const CK_U(int32_t) *rows, const CK_U(int32_t) *cols, float outside, size_t begin, size_t end);

/// Bytes of scratch for one call of `ck_resize_separable_f32`.
size_t ck_resize_scratch_bytes(size_t in_w, size_t out_w);
/// Separable filter with `taps` taps an axis (linear 2, cubic 4, antialiased more): out[y][x] = sum over i, j of
/// row_weights[y * taps_h + i] * col_weights[x * taps_w + j] * in[row_index[y * taps_h + i]][col_index[x * taps_w + j]].
/// Indices are inside the plane (clamped by the caller, weight 0 where excluded). Planes [begin, end).
void ck_resize_separable_f32(float *out, const CK_U(float) *in, size_t in_h, size_t in_w, size_t out_h, size_t out_w,
                             size_t taps_h, const CK_U(int32_t) *row_index, const CK_U(float) *row_weights, size_t taps_w,
                             const CK_U(int32_t) *col_index, const CK_U(float) *col_weights, size_t begin, size_t end, void *scratch);

#pragma clang assume_nonnull end
#endif
