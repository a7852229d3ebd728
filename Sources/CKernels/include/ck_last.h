// Convolution and pooling over channels-last float32: [N][spatial][channels].
#ifndef CK_LAST_H
#define CK_LAST_H

#include "ck_base.h"
#include "ck_gemm.h"
#include "ck_unary.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

/// The input of a convolution as a product: row = output position of the whole batch, column = (tap, channel).
typedef struct ck_last_image {
    const CK_U(float) *in;  ///< first channel of the group, item 0
    size_t pitch;        ///< floats between neighbouring positions: all channels
    size_t channels;     ///< of the group
    size_t item;         ///< floats between items
    ck_window window;
} ck_last_image;

/// Weights [n][channels][taps] as packed B with rows (tap, channel): ck_gemm_packed_size(taps * channels, n) floats. Panels
/// [panel_begin, panel_end) of them.
void ck_last_pack(float *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t taps, size_t panel_begin, size_t panel_end);

/// Rows [m_begin, m_end) x columns [n_begin, n_end) of the convolution; `out` row stride ldc; n_begin a multiple of ck_gemm_nr(),
/// n_end too or n. Scratch: ck_gemm_rows_scratch_bytes(m_end - m_begin). Errors as ck_gemm_packed_f32.
void ck_last_conv_f32(float *out, size_t ldc, const ck_last_image *image, const CK_U(float) *packed, size_t m_begin, size_t m_end,
                      size_t n_begin, size_t n_end, const ck_gemm_epilogue *epilogue, void *scratch);

/// Convolution of [N][channels][in..], channels first, into [N][out..][n]: for images of few channels, whose lines of input a window
/// (channels * kernel[0] * kernel[1]) are at most CK_FIRST_LINES. Output lines [begin, end) of N * out[0] * out[1]; y = act(sum + bias).
enum { CK_FIRST_LINES = 64 };
size_t ck_first_packed_size(size_t channels, size_t taps, size_t n);
void ck_first_pack(float *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t taps);
void ck_first_conv_f32(float *out, const CK_U(float) *in, const CK_U(float) *packed, const CK_U(float) *_Nullable bias, size_t channels, size_t n,
                       const ck_window *window, size_t begin, size_t end, const ck_activation *act);

/// One filter a channel: weights [taps][channels]; kernel[0] * kernel[1] is at most CK_DEPTHWISE_LINES. Output lines [begin, end) of N * out[0] * out[1], each out[2] x channels.
/// y = act(sum + bias); with `residual` (laid out as `out`) act(sum + bias + residual).
enum { CK_DEPTHWISE_LINES = 64 };
void ck_last_depthwise_f32(float *out, const CK_U(float) *in, const CK_U(float) *weights, const CK_U(float) *_Nullable bias,
                           const CK_U(float) *_Nullable residual, size_t channels, const ck_window *window, size_t begin, size_t end,
                           const ck_activation *act);

/// Pooling of the same lines. Maximum: a NaN wins, a window wholly in the padding is -inf.
void ck_last_maxpool_f32(float *out, const CK_U(float) *in, size_t channels, const ck_window *window, size_t begin, size_t end);
/// The same of bfloat16.
void ck_last_maxpool_bf16(uint16_t *out, const CK_U(uint16_t) *in, size_t channels, const ck_window *window, size_t begin, size_t end);
void ck_last_avgpool_f32(float *out, const CK_U(float) *in, size_t channels, const ck_window *window, bool count_include_pad,
                         size_t begin, size_t end);

/// Separable filter over [N][in_h][in_w][channels] by tables as ck_resize_separable_f32 takes them (one tap of weight 1: nearest).
/// Output lines [begin, end) of N * out_h.
void ck_last_resize_f32(float *out, const CK_U(float) *in, size_t channels, size_t in_h, size_t in_w, size_t out_h, size_t out_w,
                        size_t taps_h, const CK_U(int32_t) *row_index, const CK_U(float) *row_weights, size_t taps_w,
                        const CK_U(int32_t) *col_index, const CK_U(float) *col_weights, size_t begin, size_t end);

/// The sum at the end of a transposed convolution: lines [begin, end) of out[in[1]][in[2]][channels] (the window is that of the
/// convolution from the result to the input; axis [0] must be 1) from products [position][tap][channels], whose first position is
/// that of input line `first`; all lines that reach [begin, end) are there.
void ck_last_col2im_f32(float *out, const CK_U(float) *columns, size_t first, const CK_U(float) *_Nullable bias, size_t channels,
                        const ck_window *window, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
