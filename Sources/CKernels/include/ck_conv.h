// Convolution pieces for channel-first float32: im2col, col2im, depthwise and grouped direct forms, and the epilogue.
#ifndef CK_CONV_H
#define CK_CONV_H

#include "ck_base.h"
#include "ck_unary.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

/// Column matrix of one image (in: channels x spatial): row r = (channel, tap), column p = output position. Writes
/// rows [row_begin, row_end) x columns [col_begin, col_end) to out[(r - row_begin) * ld + (p - col_begin)]; padding is 0.
/// With ld = ck_gemm_nr() and columns [j, j + nr) all rows are one packed panel of B (columns past the end are left as
/// they were: initialise them).
void ck_im2col_f32(float *out, size_t ld, const CK_U(float) *in, const ck_window *window, size_t row_begin, size_t row_end,
                   size_t col_begin, size_t col_end);
/// The adjoint, for ConvTranspose: adds columns [channels * taps][out positions] (row stride ld) onto the image `out`
/// (channels x `window->in`; the window is that of the convolution whose input is the transposed convolution's output).
/// Slices over channels; the caller has initialised the image.
void ck_col2im_f32(float *image, const CK_U(float) *col, size_t ld, const ck_window *window, size_t channel_begin,
                   size_t channel_end);

/// Bytes of scratch for one call of `ck_conv_depthwise_f32`.
size_t ck_conv_depthwise_scratch_bytes(const ck_window *window);
/// Depthwise 2-D (axes [1], [2]; axis [0] must be 1): weights [channels * multiplier][kernel], bias per output channel.
/// Output planes [begin, end) of N * channels * multiplier. y = act(sum + bias). Fast for strides 1 and 2.
void ck_conv_depthwise_f32(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *_Nullable bias, size_t channels,
                           size_t multiplier, const ck_window *window, size_t begin, size_t end,
                           const ck_activation *_Nullable act, void *scratch);

/// Direct grouped convolution, any rank: in [N][channels][..], weights [out_channels][channels / groups][kernel].
/// Output planes [begin, end) of N * out_channels. Right for small problems and odd groups, not for large ones.
void ck_conv_direct_f32(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *_Nullable bias, size_t channels,
                        size_t out_channels, size_t groups, const ck_window *window, size_t begin, size_t end,
                        const ck_activation *_Nullable act);

/// rows [begin, end) of x (row stride ld, n columns): x = act(x + bias[row % bias_count] + residual). In place.
void ck_bias_act_rows(float *x, size_t ld, size_t n, const CK_U(float) *_Nullable bias, size_t bias_count,
                      const CK_U(float) *_Nullable residual, size_t begin, size_t end, const ck_activation *_Nullable act);

#pragma clang assume_nonnull end
#endif
