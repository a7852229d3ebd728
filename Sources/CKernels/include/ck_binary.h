// Elementwise operations of two operands with N-d broadcasting.
#ifndef CK_BINARY_H
#define CK_BINARY_H

#include "ck_base.h"
#include "ck_unary.h"

#pragma clang assume_nonnull begin

enum ck_binary : int32_t {
    CK_BINARY_ADD = 0,
    CK_BINARY_SUB,
    CK_BINARY_MUL,
    CK_BINARY_DIV,    // integers: truncates; x / 0 = 0 and MIN / -1 wraps
    CK_BINARY_POW,    // float32: libm's powf, faster and equal for the exponents 0.5, 1, 2, 3
    CK_BINARY_MAX,    // a NaN on either side wins
    CK_BINARY_MIN,
    CK_BINARY_PRELU,  // a < 0 ? a * b : a
};

/// out[i] = act(a[i * sa] op b[i * sb]) for i < n; sa, sb are 0 or 1. `out` may equal `a` or `b`.
void ck_binary_span_f32(int32_t op, float *out, const CK_U(float) *a, size_t sa, const CK_U(float) *b, size_t sb, size_t n,
                        const ck_activation *_Nullable act);

/// Elements [begin, end) of the row-major flattened output with extents `dims`; operand strides in elements, 0 where
/// the operand is broadcast. `out` is contiguous and may equal an operand that is contiguous and not broadcast.
/// rank <= CK_MAX_RANK; rank 0 is one element.
void ck_binary_f32(int32_t op, float *out, const CK_U(float) *a, const CK_U(float) *b, size_t rank, const size_t *dims,
                   const ptrdiff_t *a_strides, const ptrdiff_t *b_strides, size_t begin, size_t end,
                   const ck_activation *_Nullable act);
/// The same for other types: add, sub, mul, div, max, min. Integers wrap around.
void ck_binary_i32(int32_t op, int32_t *out, const CK_U(int32_t) *a, const CK_U(int32_t) *b, size_t rank, const size_t *dims,
                   const ptrdiff_t *a_strides, const ptrdiff_t *b_strides, size_t begin, size_t end);
void ck_binary_i64(int32_t op, int64_t *out, const CK_U(int64_t) *a, const CK_U(int64_t) *b, size_t rank, const size_t *dims,
                   const ptrdiff_t *a_strides, const ptrdiff_t *b_strides, size_t begin, size_t end);
void ck_binary_f64(int32_t op, double *out, const CK_U(double) *a, const CK_U(double) *b, size_t rank, const size_t *dims,
                   const ptrdiff_t *a_strides, const ptrdiff_t *b_strides, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
