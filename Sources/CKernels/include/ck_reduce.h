// Reductions of float32 over one merged axis.
#ifndef CK_REDUCE_H
#define CK_REDUCE_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

enum ck_reduce : int32_t {
    CK_REDUCE_SUM = 0,
    CK_REDUCE_MEAN,
    CK_REDUCE_MAX,  // NaN wins; -inf for an empty axis
    CK_REDUCE_MIN,
    CK_REDUCE_SUM_SQUARE,
    CK_REDUCE_L1,
    CK_REDUCE_L2,
    CK_REDUCE_PROD,  // in double
    CK_REDUCE_LOG_SUM,
};

/// out[o * inner + i] = reduction over r of in[(o * reduce + r) * inner + i], for outputs [begin, end) of outer * inner.
/// Sums run in float within blocks of 256 to 1024 terms and in double across blocks.
void ck_reduce_f32(int32_t op, float *out, const CK_U(float) *in, size_t reduce, size_t inner, size_t begin, size_t end);

/// Index of the largest (smallest) along the middle axis; the first of equals, or the last. A NaN counts as the extreme.
void ck_argmax_f32(int64_t *out, const CK_U(float) *in, size_t reduce, size_t inner, size_t begin, size_t end, bool minimum,
                   bool last);

#pragma clang assume_nonnull end
#endif
