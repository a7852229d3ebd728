// Softmax and log-softmax, float32.
#ifndef CK_SOFTMAX_H
#define CK_SOFTMAX_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// For rows r in [begin, end) of [rows][n]: y = softmax(scale * x + bias[r * bias_stride + i]), or its logarithm.
/// `out` may equal `in`. Relative error about 4 ulp of the largest term; probabilities below 2^-126 may become 0. A row
/// without finite maximum gives NaN, as the textbook formula does. bias_stride 0 repeats one bias row.
void ck_softmax_f32(float *out, const CK_U(float) *in, size_t n, size_t begin, size_t end, float scale,
                    const CK_U(float) *_Nullable bias, size_t bias_stride, bool log);

/// [outer][n][inner], normalised over the middle axis; columns [begin, end) of the outer * inner flattened ones.
/// `out` may equal `in`.
void ck_softmax_strided_f32(float *out, const CK_U(float) *in, size_t n, size_t inner, size_t begin, size_t end, bool log);

#pragma clang assume_nonnull end
#endif
