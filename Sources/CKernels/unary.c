// float32 unary operations: one loop per operation and tier.
#ifndef CK_TIER
#include "include/ck_isa.h"
#include "include/ck_unary.h"
#include "internal.h"

#define CK_SELF "unary.c"
#include "tiers.h"

void ck_unary_f32(int32_t op, float *out, const CK_U(float) *in, size_t n, float p0, float p1) {
    CK_CALL(unary, op, out, in, n, p0, p1);
}

void ck_unary_f32_in(int32_t tier, int32_t op, float *out, const CK_U(float) *in, size_t n, float p0, float p1) {
    switch (tier) {
#if CK_X86
    case CK_TIER_AVX512: unary_avx512(op, out, in, n, p0, p1); break;
    case CK_TIER_AVX2: unary_avx2(op, out, in, n, p0, p1); break;
#endif
    default: unary_generic(op, out, in, n, p0, p1); break;
    }
}

#else

#define EACH(expr)                       \
    do {                                 \
        size_t i = 0;                    \
        for (; i + W <= n; i += W) {     \
            const vf x = LD(in + i);     \
            ST(out + i, (expr));         \
        }                                \
        if (i < n) {                     \
            const vf x = LDN(in + i, n - i); \
            STN(out + i, (expr), n - i); \
        }                                \
    } while (0)

#define SCALAR(expr)                     \
    do {                                 \
        for (size_t i = 0; i < n; i++) { \
            const float x = in[i];       \
            out[i] = (expr);             \
        }                                \
    } while (0)

static void T(unary)(int32_t op, float *out, const CK_U(float) *in, size_t n, float p0, float p1) {
    const vf a = VS(p0), b = VS(p1), zero = VS(0), one = VS(1);
    switch (op) {
    case CK_UNARY_NONE:
        if (out != in) memmove(out, in, n * sizeof *out);
        break;
    case CK_UNARY_NEG: EACH(-x); break;
    case CK_UNARY_ABS: EACH(vabs(x)); break;
    case CK_UNARY_SQRT: EACH(__builtin_elementwise_sqrt(x)); break;
    case CK_UNARY_RSQRT: EACH(one / __builtin_elementwise_sqrt(x)); break;
    case CK_UNARY_RECIPROCAL: EACH(one / x); break;
    case CK_UNARY_EXP: EACH(vexp(x)); break;
    case CK_UNARY_LOG: EACH(vlog(x)); break;
    case CK_UNARY_SIN: SCALAR(sinf(x)); break;
    case CK_UNARY_COS: SCALAR(cosf(x)); break;
    case CK_UNARY_TAN: SCALAR(tanf(x)); break;
    case CK_UNARY_TANH: EACH(vtanh(x)); break;
    case CK_UNARY_SIGMOID: EACH(vsigmoid(x)); break;
    case CK_UNARY_ERF: EACH(verf(x)); break;
    case CK_UNARY_RELU: EACH(vsel(x < zero, zero, x)); break;
    case CK_UNARY_LEAKY_RELU: EACH(vsel(x < zero, a * x, x)); break;
    case CK_UNARY_ELU: EACH(vsel(x < zero, a * vexpm1_neg(x), x)); break;
    case CK_UNARY_CELU: EACH(vsel(x < zero, a * vexpm1_neg(x / a), x)); break;
    case CK_UNARY_SELU: EACH(b * vsel(x < zero, a * vexpm1_neg(x), x)); break;
    case CK_UNARY_SOFTPLUS: EACH(vsoftplus(x)); break;
    case CK_UNARY_SOFTSIGN: EACH(x / (one + vabs(x))); break;
    case CK_UNARY_HARD_SIGMOID: EACH(vclamp(a * x + b, zero, one)); break;
    case CK_UNARY_HARD_SWISH: EACH(x * vclamp(x * VS(1.0f / 6.0f) + VS(0.5f), zero, one)); break;
    case CK_UNARY_GELU: EACH(vgelu(x)); break;
    case CK_UNARY_GELU_TANH: EACH(vgelu_tanh(x)); break;
    case CK_UNARY_SILU: EACH(vlogistic(x, a * x)); break;
    case CK_UNARY_MISH: EACH(vmish(x)); break;
    case CK_UNARY_FLOOR: EACH(__builtin_elementwise_floor(x)); break;
    case CK_UNARY_CEIL: EACH(__builtin_elementwise_ceil(x)); break;
    case CK_UNARY_ROUND: EACH(__builtin_elementwise_nearbyint(x)); break;
    case CK_UNARY_SIGN: EACH(vsel(x > zero, one, vsel(x < zero, -one, vsel(x != x, x, zero)))); break;
    case CK_UNARY_CLIP: EACH(vclamp(x, a, b)); break;
    case CK_UNARY_THRESHOLDED_RELU: EACH(vsel(x <= a, zero, x)); break;
    case CK_UNARY_SQUARE: EACH(x * x); break;
    case CK_UNARY_AFFINE: EACH(VFMA(a, x, b)); break;
    default: break;
    }
}

#undef EACH
#undef SCALAR
#endif
