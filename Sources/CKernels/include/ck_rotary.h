// Rotary position embeddings, float32.
#ifndef CK_ROTARY_H
#define CK_ROTARY_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// `heads` rows of `size` elements, `stride` elements apart, all of one position. Of each row the first 2 * half elements
/// turn by the angles whose cosines and sines are given, half numbers each: elements i and i + half, or 2i and 2i + 1 where
/// `interleaved`. The rest is copied. `out` may equal `in`.
void ck_rotary_f32(float *out, const CK_U(float) *in, const CK_U(float) *cos, const CK_U(float) *sin, size_t half, size_t size,
                   size_t heads, size_t stride, bool interleaved);

#pragma clang assume_nonnull end
#endif
