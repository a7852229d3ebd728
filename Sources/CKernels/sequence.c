// Sequence models' steps: plain loops compiled per tier.
#ifndef CK_TIER
#include "include/ck_sequence.h"
#include "include/ck_unary.h"
#include "internal.h"

#define CK_SELF "sequence.c"
#include "tiers.h"

void ck_linear_attention_step_f32(float *state, const CK_U(float) *key, const CK_U(float) *value, const CK_U(float) *decay, size_t decay_step,
                                  const CK_U(float) *beta, float *written, size_t keys, size_t values) {
    CK_CALL(attention_step, state, key, value, decay, decay_step, beta, written, keys, values);
}

void ck_linear_attention_read_f32(float *out, const CK_U(float) *state, const CK_U(float) *query, float scale, size_t keys,
                                  size_t values) {
    CK_CALL(attention_read, out, state, query, scale, keys, values);
}

void ck_causal_conv_f32(float *out, float *state, const CK_U(float) *in, const CK_U(float) *past, const CK_U(float) *weight, float bias,
                        size_t taps, size_t length, bool silu) {
    CK_CALL(causal_conv, out, in, past, weight, bias, taps, length);
    if (silu) ck_unary_f32(CK_UNARY_SILU, out, out, length, 1, 0);
    const size_t kept = taps - 1;
    for (size_t i = 0; state && i < kept; i++) {
        const size_t at = length + i;  // in past and input together
        state[i] = at >= kept ? in[at - kept] : past ? past[at] : 0;
    }
}

#else

/// y += x * a.
INL void T(add_scaled)(float *restrict y, const CK_U(float) *restrict a, float x, size_t n) {
    size_t i = 0;
    for (; i + W <= n; i += W) ST(y + i, VFMA(LD(a + i), VS(x), LD(y + i)));
    for (; i < n; i++) y[i] += x * a[i];
}

static void T(attention_step)(float *restrict state, const CK_U(float) *restrict key, const CK_U(float) *restrict value,
                              const CK_U(float) *decay, size_t decay_step, const CK_U(float) *beta, float *restrict written, size_t keys,
                              size_t values) {
    if (decay) {
        float rate = 0;
        for (size_t d = 0; d < keys; d++) {
            if (d == 0 || decay_step) rate = expf(decay[d * decay_step]);
            float *row = state + d * values;
            for (size_t m = 0; m < values; m++) row[m] *= rate;
        }
    }
    if (beta) {
        for (size_t m = 0; m < values; m++) written[m] = 0;
        for (size_t d = 0; d < keys; d++) T(add_scaled)(written, state + d * values, key[d], values);
        for (size_t m = 0; m < values; m++) written[m] = beta[0] * (value[m] - written[m]);
    }
    for (size_t d = 0; d < keys; d++) T(add_scaled)(state + d * values, beta ? written : value, key[d], values);
}

static void T(attention_read)(float *restrict out, const CK_U(float) *restrict state, const CK_U(float) *restrict query, float scale,
                              size_t keys, size_t values) {
    for (size_t m = 0; m < values; m++) out[m] = 0;
    for (size_t d = 0; d < keys; d++) T(add_scaled)(out, state + d * values, query[d], values);
    for (size_t m = 0; m < values; m++) out[m] *= scale;
}

static void T(causal_conv)(float *restrict out, const CK_U(float) *restrict in, const CK_U(float) *past, const CK_U(float) *restrict weight,
                           float bias, size_t taps, size_t length) {
    const size_t kept = taps - 1;
    for (size_t t = 0; t < length; t++) out[t] = bias;
    for (size_t j = 0; j < taps; j++) {
        const size_t before = ck_min(kept - j, length);  // outputs whose tap j lies in the past
        for (size_t t = 0; past && t < before; t++) out[t] += past[t + j] * weight[j];
        if (length > before) T(add_scaled)(out + before, in + before + j - kept, weight[j], length - before);
    }
}

#endif
