// Element type conversions over n contiguous elements. Arrays may not overlap.
#ifndef CK_CONVERT_H
#define CK_CONVERT_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// To half and bfloat16: round to nearest even, overflow to infinity, NaN stays a (quiet) NaN, subnormals kept.
void ck_f16_to_f32(float *out, const CK_U(uint16_t) *in, size_t n);
void ck_f32_to_f16(uint16_t *out, const CK_U(float) *in, size_t n);
void ck_bf16_to_f32(float *out, const CK_U(uint16_t) *in, size_t n);
void ck_f32_to_bf16(uint16_t *out, const CK_U(float) *in, size_t n);
void ck_f32_to_f64(double *out, const CK_U(float) *in, size_t n);
void ck_f64_to_f32(float *out, const CK_U(double) *in, size_t n);

/// To integers: towards zero, saturating, NaN to 0.
void ck_f32_to_i32(int32_t *out, const CK_U(float) *in, size_t n);
void ck_f32_to_i64(int64_t *out, const CK_U(float) *in, size_t n);
void ck_f32_to_i16(int16_t *out, const CK_U(float) *in, size_t n);
void ck_f32_to_i8(int8_t *out, const CK_U(float) *in, size_t n);
void ck_f32_to_u8(uint8_t *out, const CK_U(float) *in, size_t n);
void ck_f32_to_u16(uint16_t *out, const CK_U(float) *in, size_t n);
void ck_f32_to_u32(uint32_t *out, const CK_U(float) *in, size_t n);
void ck_f32_to_u64(uint64_t *out, const CK_U(float) *in, size_t n);
void ck_f64_to_i64(int64_t *out, const CK_U(double) *in, size_t n);
/// Zero is false; NaN is true.
void ck_f32_to_bool(uint8_t *out, const CK_U(float) *in, size_t n);

/// Rounds to nearest even where float32 cannot hold the value. Bools are 0 and 1: use the u8 form.
void ck_i32_to_f32(float *out, const CK_U(int32_t) *in, size_t n);
void ck_i64_to_f32(float *out, const CK_U(int64_t) *in, size_t n);
void ck_i16_to_f32(float *out, const CK_U(int16_t) *in, size_t n);
void ck_i8_to_f32(float *out, const int8_t *in, size_t n);
void ck_u8_to_f32(float *out, const uint8_t *in, size_t n);
void ck_u16_to_f32(float *out, const CK_U(uint16_t) *in, size_t n);
void ck_u32_to_f32(float *out, const CK_U(uint32_t) *in, size_t n);
void ck_u64_to_f32(float *out, const CK_U(uint64_t) *in, size_t n);
/// Sign-extending and truncating integer conversions.
void ck_i32_to_i64(int64_t *out, const CK_U(int32_t) *in, size_t n);
void ck_i64_to_i32(int32_t *out, const CK_U(int64_t) *in, size_t n);

#pragma clang assume_nonnull end
#endif
