// Pointwise parts of recurrent cells: from gate pre-activations (input and recurrent products with both biases already
// added) to the new state. ONNX gate order. Sigmoid and tanh as in ck_unary.h; clip 0 means none (bounds the
// pre-activations). Rows [begin, end) of the batch.
#ifndef CK_RNN_H
#define CK_RNN_H

#include "ck_base.h"
#include "ck_unary.h"

#pragma clang assume_nonnull begin

/// gates: [batch][4 * hidden] in order i, o, f, c (overwritten). c_prev, c_out, h_out: [batch][hidden], c_out may equal
/// c_prev. peepholes: [3 * hidden] in order i, o, f. input_forget couples f = 1 - i. Activations f, g, h default to
/// sigmoid, tanh, tanh where NULL.
void ck_lstm_cell_f32(float *h_out, float *c_out, float *gates, const CK_U(float) *c_prev, const CK_U(float) *_Nullable peepholes,
                      size_t hidden, float clip, bool input_forget, const ck_activation *_Nullable f,
                      const ck_activation *_Nullable g, const ck_activation *_Nullable h, size_t begin, size_t end);

/// Step 1 of GRU: gates [batch][3 * hidden] in order z, r, h; applies f to z and r in place and, unless
/// `linear_before_reset`, writes r * h_prev to `reset` [batch][hidden], which the caller multiplies with Rh and adds to h.
/// With linear_before_reset, `recurrent_h` [batch][hidden] = h_prev Rh + Rbh is given and h += r * recurrent_h here.
void ck_gru_gates_f32(float *gates, float *_Nullable reset, const CK_U(float) *h_prev, const CK_U(float) *_Nullable recurrent_h,
                      size_t hidden, float clip, bool linear_before_reset, const ck_activation *_Nullable f, size_t begin,
                      size_t end);
/// Step 2: h_out = (1 - z) * g(h) + z * h_prev. h_out may equal h_prev.
void ck_gru_output_f32(float *h_out, float *gates, const CK_U(float) *h_prev, size_t hidden, float clip,
                       const ck_activation *_Nullable g, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
