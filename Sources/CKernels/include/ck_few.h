// Convolutions of few output positions, where positions are the rows of a product and output channels its columns: the columns
// of the right side, which are many, fill whole vectors.
#ifndef CK_FEW_H
#define CK_FEW_H

#include "ck_base.h"
#include "ck_unary.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

/// The taps that each output position reads, one position after the other: out[(p - begin) * ld + c * taps + t] for
/// p in [begin, end), c < channels; padding is 0. `in`: channels x spatial.
void ck_im2row_f32(float *out, size_t ld, const CK_U(float) *in, size_t channels, const ck_window *window, size_t begin,
                   size_t end);

/// Turns sums[p * ld + c] to out[c * positions + p] = act(sum + bias[c] + residual[c * positions + p]), c < channels. `residual`
/// may equal `out`.
void ck_rows_to_planes_f32(float *out, const float *sums, size_t ld, size_t positions, size_t channels,
                           const CK_U(float) *_Nullable bias, const CK_U(float) *_Nullable residual, const ck_activation *act);

#pragma clang assume_nonnull end
#endif
