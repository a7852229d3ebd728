// Opens a tier: target attribute, vector types and the macros in which family bodies are written.
//   W            floats in a vector        vf, vi, vu   vectors of W float, int32, uint32
//   WD           doubles in a vector       vd           vector of WD doubles;  vh: WD floats
//   LD/ST        unaligned load and store  LDN/STN      the same of the first n lanes (n < W; others load as zero)
//   T(name)      the tier's own name       INL          attribute of inline helpers, overloaded on vector type
//   VFMA(a,b,c)  a*b+c, fused where the tier has FMA (CK_FUSES)
#if CK_TIER == 0
#define CK_SUFFIX _generic
#define W 4
#define vf vf_generic
#define vi vi_generic
#define vu vu_generic
#define vd vd_generic
#define vh vh_generic
#elif CK_TIER == 1
#define CK_SUFFIX _avx2
#define W 8
#define vf vf_avx2
#define vi vi_avx2
#define vu vu_avx2
#define vd vd_avx2
#define vh vh_avx2
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,bmi,bmi2"))), apply_to = function)
#else
#define CK_SUFFIX _avx512
#define W 16
#define vf vf_avx512
#define vi vi_avx512
#define vu vu_avx512
#define vd vd_avx512
#define vh vh_avx512
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2"))), apply_to = function)
#endif

#define WD (W / 2)
#define T(name) CK_CAT(name, CK_SUFFIX)
#define INL static inline __attribute__((always_inline, overloadable, unused))

typedef float vf __attribute__((ext_vector_type(W)));
typedef int32_t vi __attribute__((ext_vector_type(W)));
typedef uint32_t vu __attribute__((ext_vector_type(W)));
typedef double vd __attribute__((ext_vector_type(WD)));
typedef float vh __attribute__((ext_vector_type(WD)));
typedef vf T(vf_at) __attribute__((aligned(1), may_alias));
typedef vi T(vi_at) __attribute__((aligned(1), may_alias));
typedef vh T(vh_at) __attribute__((aligned(1), may_alias));
typedef vd T(vd_at) __attribute__((aligned(1), may_alias));

#define LD(p) (*(const T(vf_at) *)(p))
#define ST(p, v) (*(T(vf_at) *)(p) = (v))
#define LDI(p) (*(const T(vi_at) *)(p))
#define STI(p, v) (*(T(vi_at) *)(p) = (v))
#define LDH(p) (*(const T(vh_at) *)(p))
#define STH(p, v) (*(T(vh_at) *)(p) = (v))
#define LDD(p) (*(const T(vd_at) *)(p))
#define STD(p, v) (*(T(vd_at) *)(p) = (v))
#define LDN(p, n) T(ldn)(p, n)
#define STN(p, v, n) T(stn)(p, v, n)
#define VS(x) ((vf)(float)(x))

#if CK_TIER >= 1 || defined(__ARM_FEATURE_FMA)
#define VFMA(a, b, c) __builtin_elementwise_fma((vf)(a), (vf)(b), (vf)(c))
#define CK_FUSES 1
#else
#define CK_FUSES 0
#define VFMA(a, b, c) ((a) * (b) + (c))
#endif

static inline __attribute__((always_inline, unused)) vf T(ldn)(const CK_U(float) *p, size_t n) {
#if CK_TIER == 2
    return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    vf v = VS(0);
    for (size_t i = 0; i < n; i++) v[i] = p[i];
    return v;
#endif
}

static inline __attribute__((always_inline, unused)) void T(stn)(float *p, vf v, size_t n) {
#if CK_TIER == 2
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    for (size_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

#include "tier_math.h"
