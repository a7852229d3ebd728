// Steps of sequence models in float32: linear attention's recurrence, causal convolution with a state.
#ifndef CK_SEQUENCE_H
#define CK_SEQUENCE_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// One step of one head of keys over the state S [keys][values]:
///   S *= exp(decay) (null: as it is; decay_step 0: one for all keys), w = v (beta >= 0: beta * (v - S' k)), S += k w'.
/// `written` has room for `values`.
void ck_linear_attention_step_f32(float *state, const CK_U(float) *key, const CK_U(float) *value, const CK_U(float) *_Nullable decay,
                                  size_t decay_step, const CK_U(float) *_Nullable beta, float *written, size_t keys, size_t values);
/// out = scale * S' q.
void ck_linear_attention_read_f32(float *out, const CK_U(float) *state, const CK_U(float) *query, float scale, size_t keys,
                                  size_t values);

/// One channel: y[t] = act(bias + sum_j x[t + j] w[j]) with x the `taps` - 1 numbers of `past` (null: zeros) before those of `in`;
/// `state` gets the last taps - 1. `silu`: act(x) = x / (1 + exp(-x)).
void ck_causal_conv_f32(float *out, float *_Nullable state, const CK_U(float) *in, const CK_U(float) *_Nullable past, const CK_U(float) *weight,
                        float bias, size_t taps, size_t length, bool silu);

#pragma clang assume_nonnull end
#endif
