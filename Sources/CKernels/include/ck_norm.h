// Normalisations, float32. Sums run in float within blocks of at most 1024 elements and in double across blocks; the variance is
// the mean of squared differences from the mean (two passes), so it does not cancel.
#ifndef CK_NORM_H
#define CK_NORM_H

#include "ck_base.h"
#include "ck_unary.h"

#pragma clang assume_nonnull begin

/// Rows [begin, end) of [rows][n]: x = in + residual; y = (x - mean) / sqrt(var + eps) * scale + bias. The sum x is also
/// stored in `sum_out` where given (may equal `in` or `residual`). `out` may equal `in` or `residual`. mean_out and
/// inv_std_out take one value a row. scale, bias: n values.
void ck_layernorm_f32(float *out, const CK_U(float) *in, const CK_U(float) *_Nullable residual, float *_Nullable sum_out,
                      const CK_U(float) *_Nullable scale, const CK_U(float) *_Nullable bias, size_t n, float eps, size_t begin,
                      size_t end, float *_Nullable mean_out, float *_Nullable inv_std_out);
/// y = x / sqrt(mean(x^2) + eps) * scale, x and sum_out as above.
void ck_rmsnorm_f32(float *out, const CK_U(float) *in, const CK_U(float) *_Nullable residual, float *_Nullable sum_out,
                    const CK_U(float) *_Nullable scale, size_t n, float eps, size_t begin, size_t end,
                    float *_Nullable inv_rms_out);
/// InstanceNormalization and GroupNormalization over [N][channels][plane]: statistics over groups of
/// `channels / groups` channels, scale and bias per channel. Slices over N * groups. Instance: groups == channels.
/// `out` may equal `in`.
void ck_groupnorm_f32(float *out, const CK_U(float) *in, const CK_U(float) *_Nullable scale, const CK_U(float) *_Nullable bias,
                      size_t channels, size_t groups, size_t plane, float eps, size_t begin, size_t end);
/// y = act(x * scale[c] + shift[c]) over [N][channels][plane]: BatchNormalization folded by the caller. Slices over
/// N * channels. `out` may equal `in`.
void ck_channel_affine_f32(float *out, const CK_U(float) *in, const CK_U(float) *scale, const CK_U(float) *shift, size_t channels,
                           size_t plane, size_t begin, size_t end, const ck_activation *_Nullable act);

/// LRN over [N][channels][plane]: y[c] = x[c] * (bias + alpha * sum of x^2 over the channels [c - before, c + after])^-beta; channels that are not
/// there add nothing. (ONNX's alpha is this times its size.) Slices over N * ck_lrn_spans(plane).
typedef struct ck_lrn {
    size_t channels, plane, before, after;
    float alpha, beta, bias;
} ck_lrn;
size_t ck_lrn_spans(size_t plane);
void ck_lrn_f32(float *out, const CK_U(float) *in, const ck_lrn *lrn, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
