// Elementwise float32 functions, also used as the activation that other kernels apply last.
#ifndef CK_UNARY_H
#define CK_UNARY_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// Operation and what p0, p1 mean for it. Error bounds stand in docs/numerics.md: at most 5 ulp of the result, denormal ones
/// included; sin, cos, tan are libm's. NaN in, NaN out; silu, gelu, mish of -inf are -inf * 0 = NaN. Relu keeps -0.
enum ck_unary : int32_t {
    CK_UNARY_NONE = 0,  // copy
    CK_UNARY_NEG,
    CK_UNARY_ABS,
    CK_UNARY_SQRT,
    CK_UNARY_RSQRT,
    CK_UNARY_RECIPROCAL,
    CK_UNARY_EXP,
    CK_UNARY_LOG,
    CK_UNARY_SIN,
    CK_UNARY_COS,
    CK_UNARY_TAN,
    CK_UNARY_TANH,
    CK_UNARY_SIGMOID,
    CK_UNARY_ERF,
    CK_UNARY_RELU,
    CK_UNARY_LEAKY_RELU,        // p0 = alpha
    CK_UNARY_ELU,               // p0 = alpha
    CK_UNARY_CELU,              // p0 = alpha
    CK_UNARY_SELU,              // p0 = alpha, p1 = gamma
    CK_UNARY_SOFTPLUS,
    CK_UNARY_SOFTSIGN,
    CK_UNARY_HARD_SIGMOID,      // p0 = alpha, p1 = beta
    CK_UNARY_HARD_SWISH,
    CK_UNARY_GELU,              // erf form
    CK_UNARY_GELU_TANH,
    CK_UNARY_SILU,              // p0 = alpha: x * sigmoid(alpha x) (1: SiLU; 1.702: QuickGelu)
    CK_UNARY_MISH,
    CK_UNARY_FLOOR,
    CK_UNARY_CEIL,
    CK_UNARY_ROUND,             // half to even
    CK_UNARY_SIGN,
    CK_UNARY_CLIP,              // p0 = min, p1 = max; max wins where min > max
    CK_UNARY_THRESHOLDED_RELU,  // p0 = alpha
    CK_UNARY_SQUARE,
    CK_UNARY_AFFINE,            // p0 * x + p1
};

/// An activation: an operation with its parameters. `op == CK_UNARY_NONE` does nothing.
typedef struct ck_activation {
    int32_t op;
    float p0;
    float p1;
} ck_activation;

/// out[i] = op(in[i]) for i < n. `out` may equal `in`.
void ck_unary_f32(int32_t op, float *out, const CK_U(float) *in, size_t n, float p0, float p1);
/// The same in a tier of `ck_tier`, at most ck_isa_best(), whichever is in use: for tests that run beside others.
void ck_unary_f32_in(int32_t tier, int32_t op, float *out, const CK_U(float) *in, size_t n, float p0, float p1);

#pragma clang assume_nonnull end
#endif
