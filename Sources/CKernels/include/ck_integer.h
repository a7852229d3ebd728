// Products and element-wise arithmetic of 8-bit quantized tensors, and the unpacking of narrower weights.
//
// The contraction works on whole numbers held in float: differences of two 8-bit numbers lie in [-255, 255], and 256
// products of them add up without rounding. Longer sums are carried in int32, which wraps.
#ifndef CK_INTEGER_H
#define CK_INTEGER_H

#include "ck_base.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

/// out = in - zero_point as float over [outer][channels][inner], one zero point a channel (null: 0). `in` and `zero_point` are
/// int8 where `is_signed`, else uint8. Slices over outer * channels.
void ck_center_i8(float *out, const void *in, bool is_signed, const void *_Nullable zero_point, size_t channels,
                  size_t inner, size_t begin, size_t end);

/// C[i][j] = sum_p A[i][p] B[p][j] for rows [m_begin, m_end), all j < n. A and B hold whole numbers in [-256, 256]; the
/// sums are exact in int32 (wrapping). C row-major with rows ldc apart; element strides for both axes of A and B.
void ck_contract_whole(int32_t *c, ptrdiff_t ldc, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col, const CK_U(float) *b,
                       ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin, size_t m_end);

/// out = int32 of whole numbers held in float.
void ck_whole_to_i32(int32_t *out, const CK_U(float) *in, size_t n);

/// [outer][channels][inner]: y = saturate(round_half_even((float)(x + bias[channel]) * scale[channel * scale_step]) +
/// zero_point). The bias (null: 0) is added in int32, which wraps. Slices over outer * channels.
void ck_requantize_planes(void *out, bool out_signed, const CK_U(int32_t) *in, const CK_U(int32_t) *_Nullable bias, const CK_U(float) *scale,
                          size_t scale_step, int32_t zero_point, size_t channels, size_t inner, size_t begin, size_t end);

/// Rows [begin, end) of n: y = (float)x * scale[j * scale_step] + bias[j].
void ck_scale_rows_i32(float *out, const CK_U(int32_t) *in, const CK_U(float) *scale, size_t scale_step, const CK_U(float) *_Nullable bias,
                       size_t n, size_t begin, size_t end);

/// y = saturate(round_half_even(fma(a, a_ratio, fma(b, b_ratio, fixed)))); a step of 0 repeats one element. Where one of them
/// is repeated its product comes first.
void ck_add_i8(void *out, const void *a, size_t a_step, const void *b, size_t b_step, bool is_signed, float a_ratio,
               float b_ratio, float fixed, size_t n);
/// y = saturate(round_half_even((float)((a - a_zero) * (b - b_zero)) * ratio + zero)).
void ck_mul_i8(void *out, const void *a, size_t a_step, int32_t a_zero, const void *b, size_t b_step, int32_t b_zero,
               bool is_signed, float ratio, float zero, size_t n);
/// y = table[x].
void ck_lookup_u8(uint8_t *out, const uint8_t *in, const uint8_t *table, size_t n);

/// Average of the windows of planes [begin, end): sums of table[x] in float, tap by tap, over the taps inside the input,
/// divided by their number (by that of all taps where `counts_padding`), then saturate(round_half_even(mean / scale + zero)).
void ck_avgpool_u8(uint8_t *out, bool out_signed, const uint8_t *in, const CK_U(float) *table, const ck_window *window,
                   bool counts_padding, float scale, float zero, size_t begin, size_t end);

/// Maximum of the windows of planes [begin, end); padding never wins, a window of padding alone gives the least number. With
/// `channels_last` (the number of channels, 0: channel first) [begin, end) are output positions of [N, .., C].
void ck_maxpool_u8(uint8_t *out, const uint8_t *in, const ck_window *window, bool is_signed, size_t channels_last,
                   size_t begin, size_t end);

/// ck_quantize_u8 and ck_dequantize_u8 for 16 bits; `in` and `zero_point` of any alignment.
void ck_quantize_i16(void *out, bool out_signed, const CK_U(float) *in, const CK_U(float) *scale, const void *_Nullable zero_point,
                     size_t channels, size_t inner, size_t begin, size_t end);
void ck_dequantize_i16(float *out, const void *in, bool is_signed, const CK_U(float) *scale, const void *_Nullable zero_point,
                       size_t channels, size_t inner, size_t begin, size_t end);

/// Sums of n 8-bit numbers, rows [begin, end).
void ck_sum_rows_i8(int32_t *out, const void *in, bool is_signed, size_t n, size_t begin, size_t end);

/// The numbers of `bits` (2, 4 or 8, unsigned, low bits first) of rows [begin, end): n a row, row_bytes apart.
void ck_unpack_bits(float *out, const uint8_t *in, size_t bits, size_t n, size_t row_bytes, size_t begin, size_t end);

/// Rows [begin, end) of a matrix quantized in blocks of `block` along its rows of k, `bits` each: out[(i - begin) * k + p] =
/// (q - zero[i * blocks + p / block]) * scale[i * blocks + p / block], each block in its own block * bits / 8 bytes.
void ck_dequantize_blocks(float *out, const uint8_t *in, size_t bits, const CK_U(float) *scale, const CK_U(float) *zero, size_t block,
                          size_t blocks, size_t k, size_t begin, size_t end);

/// [rows][n]: y = (x - zero[j]) * scale[j]; `zero` may be null.
void ck_dequantize_columns(float *out, const void *in, bool is_signed, const CK_U(float) *scale, const void *_Nullable zero,
                           size_t n, size_t begin, size_t end);

/// One byte for each of n 4-bit numbers (low bits first), sign-extended where `is_signed`.
void ck_widen_i4(uint8_t *out, const uint8_t *in, bool is_signed, size_t n);

#pragma clang assume_nonnull end
#endif
