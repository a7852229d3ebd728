// Linear quantization and integer matrix products, portable forms.
#ifndef CK_QUANT_H
#define CK_QUANT_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// [outer][channels][inner] with one scale and zero point per channel (per tensor: channels = 1; a null zero point is 0).
/// y = saturate(round_half_even(x / scale) + zero_point); NaN becomes the zero point. Slices over outer * channels.
void ck_quantize_u8(uint8_t *out, const CK_U(float) *in, const CK_U(float) *scale, const uint8_t *_Nullable zero_point, size_t channels,
                    size_t inner, size_t begin, size_t end);
void ck_quantize_s8(int8_t *out, const CK_U(float) *in, const CK_U(float) *scale, const int8_t *_Nullable zero_point, size_t channels,
                    size_t inner, size_t begin, size_t end);
/// y = (x - zero_point) * scale.
void ck_dequantize_u8(float *out, const uint8_t *in, const CK_U(float) *scale, const uint8_t *_Nullable zero_point,
                      size_t channels, size_t inner, size_t begin, size_t end);
void ck_dequantize_s8(float *out, const int8_t *in, const CK_U(float) *scale, const int8_t *_Nullable zero_point, size_t channels,
                      size_t inner, size_t begin, size_t end);
void ck_dequantize_i32(float *out, const CK_U(int32_t) *in, const CK_U(float) *scale, size_t channels, size_t inner, size_t begin,
                       size_t end);

/// Least and greatest of n values, NaN ignored, and 0 always included (DynamicQuantizeLinear's range).
void ck_range_f32(float *minimum, float *maximum, const CK_U(float) *in, size_t n);

/// C[i][j] = sum_p (A[i][p] - a_zero[i * a_zero_step]) * (B[p][j] - b_zero[j * b_zero_step]) in int32 (wraps), row-major,
/// rows [m_begin, m_end). a_signed, b_signed tell int8 from uint8. Null zero points are 0; a step of 0 repeats one.
void ck_matmul_int8(int32_t *c, size_t ldc, const void *a, size_t lda, bool a_signed, const void *_Nullable a_zero,
                    size_t a_zero_step, const void *b, size_t ldb, bool b_signed, const void *_Nullable b_zero,
                    size_t b_zero_step, size_t n, size_t k, size_t m_begin, size_t m_end);

/// Requantizes rows of int32: y = saturate(round_half_even((x + bias[j]) * scale[j * scale_step]) + zero_point).
void ck_requantize_rows(void *out, bool out_signed, size_t ldo, const CK_U(int32_t) *in, size_t ldi, const CK_U(int32_t) *_Nullable bias,
                        const CK_U(float) *scale, size_t scale_step, int32_t zero_point, size_t n, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
