// Pointwise parts of recurrent cells: from the gates' sums to the new state, for units [0, units) of one item.
//
// A gate's sum is input[g * pitch + j] + recurrent[g * pitch + j]; both biases are in `input`. Gates stand in ONNX's order.
// `clip` bounds what an activation is given; 0: no bound. Every vector but the peepholes has `units` rounded up to whole
// panels (`ck_gemm_nr`) of elements to read and to write: what lies past `units` is computed, never used.
#ifndef CK_RNN_H
#define CK_RNN_H

#include "ck_base.h"
#include "ck_unary.h"

#pragma clang assume_nonnull begin

/// Activations beside those of `ck_unary`: p0 * tanh(p1 * x), and x where x >= p0, else 0.
enum ck_rnn_activation : int32_t { CK_RNN_SCALED_TANH = 1000, CK_RNN_THRESHOLDED = 1001 };

/// True where the cells know the activation: sigmoid, tanh, relu, leaky relu, elu, softplus, softsign, hard sigmoid, affine
/// and the two above.
bool ck_rnn_knows(int32_t op);

/// Gates i, o, f, c. `c` is updated in place. peepholes: i, o, f, `hidden` elements apart; `units` of each are read.
/// input_forget couples f = 1 - i. act: f, g, h of the standard.
void ck_lstm_units_f32(float *h_out, float *c, const float *input, const float *recurrent, size_t pitch,
                       const CK_U(float) *_Nullable peepholes, size_t hidden, size_t units, float clip, bool input_forget,
                       const ck_activation *act);

/// Gates z, r, h with linear_before_reset: h_out = (1 - z) n + z h_prev, n = g(input + r (recurrent + recurrent_bias)).
void ck_gru_units_f32(float *h_out, const float *h_prev, const float *input, const float *recurrent, size_t pitch,
                      const float *recurrent_bias, size_t units, float clip, const ck_activation *act);
/// Without it, step 1: z, and r h_prev, whose product with Rh is step 2's `recurrent`.
void ck_gru_gates_f32(float *z, float *reset, const float *h_prev, const float *input, const float *recurrent, size_t pitch,
                      size_t units, float clip, const ck_activation *act);
/// Step 2: h_out = (1 - z) g(input + recurrent) + z h_prev, of gate h alone.
void ck_gru_output_f32(float *h_out, const float *z, const float *h_prev, const float *input, const float *recurrent,
                       size_t units, float clip, const ck_activation *act);

/// h_out = f(input + recurrent).
void ck_rnn_units_f32(float *h_out, const float *input, const float *recurrent, size_t units, float clip,
                      const ck_activation *act);

#pragma clang assume_nonnull end
#endif
