// Conversions: plain loops compiled per tier, which vectorise; half precision by F16C where the tier has it.
#ifndef CK_TIER
#include "include/ck_convert.h"
#include "internal.h"

static inline float half_to_float(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 1023;
    uint32_t bits;
    float f;
    if (exponent == 31) {
        bits = sign | 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0);
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else {
        f = (float)fraction * 0x1p-24f;
        memcpy(&bits, &f, 4);
        bits |= sign;
    }
    memcpy(&f, &bits, 4);
    return f;
}

static inline uint16_t float_to_half(float f) {
    uint32_t bits;
    memcpy(&bits, &f, 4);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (bits >> 13 & 0x1ff));
    if (bits >= 0x47800000) return (uint16_t)(sign | 0x7c00);
    if (bits < 0x38800000) {  // subnormal: adding 2^-1 aligns the half's last bit with the float's
        float magnitude;
        memcpy(&magnitude, &bits, 4);
        magnitude += 0.5f;
        memcpy(&bits, &magnitude, 4);
        return (uint16_t)(sign | (bits - 0x3f000000));
    }
    bits += 0xfff + (bits >> 13 & 1);
    return (uint16_t)(sign | (bits - 0x38000000) >> 13);
}

#define CK_SELF "convert.c"
#include "tiers.h"

#define PUBLIC(name, to, from) \
    void ck_##name(to *out, const CK_U(from) *in, size_t n) { CK_CALL(name, out, in, n); }
PUBLIC(f16_to_f32, float, uint16_t)
PUBLIC(f32_to_f16, uint16_t, float)
PUBLIC(bf16_to_f32, float, uint16_t)
PUBLIC(f32_to_bf16, uint16_t, float)
PUBLIC(f32_to_f64, double, float)
PUBLIC(f64_to_f32, float, double)
PUBLIC(f32_to_i32, int32_t, float)
PUBLIC(f32_to_i64, int64_t, float)
PUBLIC(f32_to_i16, int16_t, float)
PUBLIC(f32_to_i8, int8_t, float)
PUBLIC(f32_to_u8, uint8_t, float)
PUBLIC(f32_to_u16, uint16_t, float)
PUBLIC(f32_to_u32, uint32_t, float)
PUBLIC(f32_to_u64, uint64_t, float)
PUBLIC(f64_to_i64, int64_t, double)
PUBLIC(f32_to_bool, uint8_t, float)
PUBLIC(i32_to_f32, float, int32_t)
PUBLIC(i64_to_f32, float, int64_t)
PUBLIC(i16_to_f32, float, int16_t)
PUBLIC(i8_to_f32, float, int8_t)
PUBLIC(u8_to_f32, float, uint8_t)
PUBLIC(u16_to_f32, float, uint16_t)
PUBLIC(u32_to_f32, float, uint32_t)
PUBLIC(u64_to_f32, float, uint64_t)
PUBLIC(i32_to_i64, int64_t, int32_t)
PUBLIC(i64_to_i32, int32_t, int64_t)

#else

static void T(f16_to_f32)(float *restrict out, const CK_U(uint16_t) *restrict in, size_t n) {
    size_t i = 0;
#if CK_TIER == 2
    for (; i + 16 <= n; i += 16) _mm512_storeu_ps(out + i, _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(in + i))));
#elif CK_TIER == 1
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128((const void *)(in + i))));
#endif
    for (; i < n; i++) out[i] = half_to_float(in[i]);
}

static void T(f32_to_f16)(uint16_t *restrict out, const CK_U(float) *restrict in, size_t n) {
    size_t i = 0;
#if CK_TIER == 2
    for (; i + 16 <= n; i += 16) _mm256_storeu_si256((void *)(out + i), _mm512_cvtps_ph(_mm512_loadu_ps(in + i), 0));
#elif CK_TIER == 1
    for (; i + 8 <= n; i += 8) _mm_storeu_si128((void *)(out + i), _mm256_cvtps_ph(_mm256_loadu_ps((const void *)(in + i)), 0));
#endif
    for (; i < n; i++) out[i] = float_to_half(in[i]);
}

#define LOOP(name, to, from, expr)                                             \
    static void T(name)(to *restrict out, const CK_U(from) *restrict in, size_t n) { \
        for (size_t i = 0; i < n; i++) {                                       \
            const from x = in[i];                                              \
            out[i] = (expr);                                                   \
        }                                                                      \
    }

static void T(bf16_to_f32)(float *restrict out, const CK_U(uint16_t) *restrict in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t bits = (uint32_t)in[i] << 16;
        memcpy(out + i, &bits, 4);
    }
}

static void T(f32_to_bf16)(uint16_t *restrict out, const CK_U(float) *restrict in, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, in + i, 4);
        const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        out[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
    }
}

LOOP(f32_to_f64, double, float, (double)x)
LOOP(f64_to_f32, float, double, (float)x)
// The upper limits are the first values that do not fit: x >= limit saturates.
#define SATURATE(type, low, limit, top) (x != x ? 0 : x >= (limit) ? (top) : x <= (low) ? (type)(low) : (type)x)
LOOP(f32_to_i32, int32_t, float, SATURATE(int32_t, -0x1p31f, 0x1p31f, INT32_MAX))
LOOP(f32_to_i64, int64_t, float, SATURATE(int64_t, -0x1p63f, 0x1p63f, INT64_MAX))
LOOP(f32_to_i16, int16_t, float, SATURATE(int16_t, -0x1p15f, 0x1p15f, INT16_MAX))
LOOP(f32_to_i8, int8_t, float, SATURATE(int8_t, -0x1p7f, 0x1p7f, INT8_MAX))
LOOP(f32_to_u8, uint8_t, float, SATURATE(uint8_t, 0.0f, 0x1p8f, UINT8_MAX))
LOOP(f32_to_u16, uint16_t, float, SATURATE(uint16_t, 0.0f, 0x1p16f, UINT16_MAX))
LOOP(f32_to_u32, uint32_t, float, SATURATE(uint32_t, 0.0f, 0x1p32f, UINT32_MAX))
LOOP(f32_to_u64, uint64_t, float, SATURATE(uint64_t, 0.0f, 0x1p64f, UINT64_MAX))
LOOP(f64_to_i64, int64_t, double, SATURATE(int64_t, -0x1p63, 0x1p63, INT64_MAX))
LOOP(f32_to_bool, uint8_t, float, x != 0)
LOOP(i32_to_f32, float, int32_t, (float)x)
LOOP(i64_to_f32, float, int64_t, (float)x)
LOOP(i16_to_f32, float, int16_t, (float)x)
LOOP(i8_to_f32, float, int8_t, (float)x)
LOOP(u8_to_f32, float, uint8_t, (float)x)
LOOP(u16_to_f32, float, uint16_t, (float)x)
LOOP(u32_to_f32, float, uint32_t, (float)x)
LOOP(u64_to_f32, float, uint64_t, (float)x)
LOOP(i32_to_i64, int64_t, int32_t, (int64_t)x)
LOOP(i64_to_i32, int32_t, int64_t, (int32_t)x)

#undef LOOP
#undef SATURATE
#endif
