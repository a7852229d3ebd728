// Quantization: plain loops compiled per tier.
#ifndef CK_TIER
#include "include/ck_quant.h"
#include "internal.h"

/// round_half_even(x) + zero saturated to [low, high]; exact for |x| < 2^22, beyond which everything saturates.
static inline __attribute__((always_inline)) int32_t quantize_one(float x, float zero, float low, float high) {
    x = x < -1e6f ? -1e6f : x > 1e6f ? 1e6f : x != x ? 0.0f : x;
    x = (x + 12582912.0f) - 12582912.0f + zero;
    return (int32_t)(x < low ? low : x > high ? high : x);
}

#define CK_SELF "quant.c"
#include "tiers.h"

#define QUANTIZE(name, type, low, high)                                                                         \
    void ck_##name(type *out, const CK_U(float) *in, const CK_U(float) *scale, const CK_U(type) *zero_point, size_t channels,     \
                   size_t inner, size_t begin, size_t end) {                                                    \
        for (size_t r = begin; r < end; r++) {                                                                  \
            const size_t c = r % channels;                                                                      \
            CK_CALL(name, out + r * inner, in + r * inner, scale[c], zero_point ? zero_point[c] : 0, inner);     \
        }                                                                                                       \
    }
QUANTIZE(quantize_u8, uint8_t, 0, 255)
QUANTIZE(quantize_s8, int8_t, -128, 127)

#define DEQUANTIZE(name, type)                                                                                  \
    void ck_##name(float *out, const CK_U(type) *in, const CK_U(float) *scale, const CK_U(type) *zero_point, size_t channels,     \
                   size_t inner, size_t begin, size_t end) {                                                    \
        for (size_t r = begin; r < end; r++) {                                                                  \
            const size_t c = r % channels;                                                                      \
            CK_CALL(name, out + r * inner, in + r * inner, scale[c], zero_point ? zero_point[c] : 0, inner);     \
        }                                                                                                       \
    }
DEQUANTIZE(dequantize_u8, uint8_t)
DEQUANTIZE(dequantize_s8, int8_t)

void ck_dequantize_i32(float *out, const CK_U(int32_t) *in, const CK_U(float) *scale, size_t channels, size_t inner, size_t begin,
                       size_t end) {
    for (size_t r = begin; r < end; r++) {
        for (size_t i = r * inner; i < (r + 1) * inner; i++) out[i] = (float)in[i] * scale[r % channels];
    }
}

void ck_range_f32(float *minimum, float *maximum, const CK_U(float) *in, size_t n) {
    float low = 0, high = 0;
    CK_CALL(range, &low, &high, in, n);
    *minimum = low;
    *maximum = high;
}

void ck_matmul_int8(int32_t *c, size_t ldc, const void *a, size_t lda, bool a_signed, const void *a_zero,
                    size_t a_zero_step, const void *b, size_t ldb, bool b_signed, const void *b_zero, size_t b_zero_step,
                    size_t n, size_t k, size_t m_begin, size_t m_end) {
    CK_CALL(matmul_int8, c, ldc, a, lda, a_signed, a_zero, a_zero_step, b, ldb, b_signed, b_zero, b_zero_step, n, k,
            m_begin, m_end);
}

void ck_requantize_rows(void *out, bool out_signed, size_t ldo, const CK_U(int32_t) *in, size_t ldi, const CK_U(int32_t) *bias,
                        const CK_U(float) *scale, size_t scale_step, int32_t zero_point, size_t n, size_t begin, size_t end) {
    const float low = out_signed ? -128 : 0, high = out_signed ? 127 : 255;
    for (size_t r = begin; r < end; r++) {
        for (size_t j = 0; j < n; j++) {
            const int32_t x = (int32_t)((uint32_t)in[r * ldi + j] + (uint32_t)(bias ? bias[j] : 0));
            ((uint8_t *)out)[r * ldo + j] =
                (uint8_t)quantize_one((float)x * scale[j * scale_step], (float)zero_point, low, high);
        }
    }
}

#else

#define QUANTIZE(name, type, low, high)                                                                            \
    static void T(name)(type *restrict out, const CK_U(float) *restrict in, float scale, type zero, size_t n) {          \
        for (size_t i = 0; i < n; i++) out[i] = (type)quantize_one(in[i] / scale, (float)zero, (low), (high));     \
    }
QUANTIZE(quantize_u8, uint8_t, 0, 255)
QUANTIZE(quantize_s8, int8_t, -128, 127)
#undef QUANTIZE

#define DEQUANTIZE(name, type)                                                                                     \
    static void T(name)(float *restrict out, const CK_U(type) *restrict in, float scale, type zero, size_t n) {          \
        for (size_t i = 0; i < n; i++) out[i] = (float)((int32_t)in[i] - (int32_t)zero) * scale;                   \
    }
DEQUANTIZE(dequantize_u8, uint8_t)
DEQUANTIZE(dequantize_s8, int8_t)
#undef DEQUANTIZE

static void T(range)(float *minimum, float *maximum, const CK_U(float) *restrict in, size_t n) {
    float low[4 * W] = {0}, high[4 * W] = {0};  // a comparison with NaN is false
    size_t i = 0;
    for (; i + 4 * W <= n; i += 4 * W) {
        for (size_t j = 0; j < 4 * W; j++) {
            low[j] = in[i + j] < low[j] ? in[i + j] : low[j];
            high[j] = in[i + j] > high[j] ? in[i + j] : high[j];
        }
    }
    for (size_t j = 0; i < n; i++, j++) {
        low[j] = in[i] < low[j] ? in[i] : low[j];
        high[j] = in[i] > high[j] ? in[i] : high[j];
    }
    for (size_t j = 0; j < 4 * W; j++) {
        *minimum = low[j] < *minimum ? low[j] : *minimum;
        *maximum = high[j] > *maximum ? high[j] : *maximum;
    }
}

static inline __attribute__((always_inline)) int32_t T(at)(const void *p, size_t i, bool is_signed) {
    return is_signed ? (int32_t)((const int8_t *)p)[i] : (int32_t)((const uint8_t *)p)[i];
}

/// Strips of 64 columns: a row of A against rows of B, sums in registers or L1.
static inline __attribute__((always_inline)) void T(strips)(int32_t *c, size_t ldc, const void *a, size_t lda,
                                                            const bool as, const void *az, size_t az_step, const void *b,
                                                            size_t ldb, const bool bs, const void *bz, size_t bz_step,
                                                            size_t n, size_t k, size_t m_begin, size_t m_end) {
    for (size_t j0 = 0; j0 < n; j0 += 64) {
        const size_t cols = ck_min(64, n - j0);
        int32_t zero_b[64], sum[64];
        for (size_t j = 0; j < cols; j++) zero_b[j] = bz ? T(at)(bz, (j0 + j) * bz_step, bs) : 0;
        for (size_t i = m_begin; i < m_end; i++) {
            const int32_t zero_a = az ? T(at)(az, i * az_step, as) : 0;
            for (size_t j = 0; j < cols; j++) sum[j] = 0;
            for (size_t p = 0; p < k; p++) {
                const int32_t x = T(at)(a, i * lda + p, as) - zero_a;
                for (size_t j = 0; j < cols; j++)
                    sum[j] = (int32_t)((uint32_t)sum[j] + (uint32_t)(x * (T(at)(b, p * ldb + j0 + j, bs) - zero_b[j])));
            }
            for (size_t j = 0; j < cols; j++) c[i * ldc + j0 + j] = sum[j];
        }
    }
}

static void T(matmul_int8)(int32_t *c, size_t ldc, const void *a, size_t lda, bool as, const void *az, size_t az_step,
                           const void *b, size_t ldb, bool bs, const void *bz, size_t bz_step, size_t n, size_t k,
                           size_t m_begin, size_t m_end) {
    if (bs) {
        T(strips)(c, ldc, a, lda, as, az, az_step, b, ldb, true, bz, bz_step, n, k, m_begin, m_end);
    } else {
        T(strips)(c, ldc, a, lda, as, az, az_step, b, ldb, false, bz, bz_step, n, k, m_begin, m_end);
    }
}

#endif
