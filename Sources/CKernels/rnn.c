// Recurrent cells: everything between a step's products and its new state in one pass over the units.
#ifndef CK_TIER
#include "include/ck_rnn.h"
#include "internal.h"

#define CK_SELF "rnn.c"
#include "tiers.h"

bool ck_rnn_knows(int32_t op) {
    switch (op) {
    case CK_UNARY_SIGMOID: case CK_UNARY_TANH: case CK_UNARY_RELU: case CK_UNARY_LEAKY_RELU: case CK_UNARY_ELU:
    case CK_UNARY_SOFTPLUS: case CK_UNARY_SOFTSIGN: case CK_UNARY_HARD_SIGMOID: case CK_UNARY_AFFINE:
    case CK_RNN_SCALED_TANH: case CK_RNN_THRESHOLDED: return true;
    default: return false;
    }
}

void ck_lstm_units_f32(float *h_out, float *c, const float *input, const float *recurrent, size_t pitch,
                       const CK_U(float) *peepholes, size_t hidden, size_t units, float clip, bool input_forget,
                       const ck_activation *act) {
    CK_CALL(lstm_units, h_out, c, input, recurrent, pitch, peepholes, hidden, units, clip, input_forget, act);
}

void ck_gru_units_f32(float *h_out, const float *h_prev, const float *input, const float *recurrent, size_t pitch,
                      const float *recurrent_bias, size_t units, float clip, const ck_activation *act) {
    CK_CALL(gru_units, h_out, h_prev, input, recurrent, pitch, recurrent_bias, units, clip, act);
}

void ck_gru_gates_f32(float *z, float *reset, const float *h_prev, const float *input, const float *recurrent, size_t pitch,
                      size_t units, float clip, const ck_activation *act) {
    CK_CALL(gru_gates, z, reset, h_prev, input, recurrent, pitch, units, clip, act);
}

void ck_gru_output_f32(float *h_out, const float *z, const float *h_prev, const float *input, const float *recurrent,
                       size_t units, float clip, const ck_activation *act) {
    CK_CALL(gru_output, h_out, z, h_prev, input, recurrent, units, clip, act);
}

void ck_rnn_units_f32(float *h_out, const float *input, const float *recurrent, size_t units, float clip,
                      const ck_activation *act) {
    CK_CALL(rnn_units, h_out, input, recurrent, units, clip, act);
}

#else

/// An activation of a vector. Which one it is is the same for every vector, so the jump is always foreseen.
static inline __attribute__((always_inline)) vf T(rnn_act)(vf x, float clip, const ck_activation *act) {
    if (clip > 0) x = vclamp(x, VS(-clip), VS(clip));
    const vf a = VS(act->p0), b = VS(act->p1), zero = VS(0), one = VS(1);
    switch (act->op) {
    case CK_UNARY_SIGMOID: return vsigmoid(x);
    case CK_UNARY_TANH: return vtanh(x);
    case CK_UNARY_RELU: return vsel(x < zero, zero, x);
    case CK_UNARY_LEAKY_RELU: return vsel(x < zero, a * x, x);
    case CK_UNARY_ELU: return vsel(x < zero, a * vexpm1_neg(x), x);
    case CK_UNARY_SOFTPLUS: return vsoftplus(x);
    case CK_UNARY_SOFTSIGN: return x / (one + vabs(x));
    case CK_UNARY_HARD_SIGMOID: return vclamp(a * x + b, zero, one);
    case CK_UNARY_AFFINE: return VFMA(a, x, b);
    case CK_RNN_SCALED_TANH: return a * vtanh(b * x);
    case CK_RNN_THRESHOLDED: return vsel(x < a, zero, x);
    default: return x;
    }
}

/// The cells' own activations are worth a loop without a jump: `plain` is a constant of each.
static inline __attribute__((always_inline)) vf T(rnn_gate)(vf x, float clip, const ck_activation *act, const bool plain,
                                                            const bool squashes) {
    if (plain) return squashes ? vsigmoid(x) : vtanh(x);
    return T(rnn_act)(x, clip, act);
}

static inline __attribute__((always_inline)) void T(lstm)(float *h_out, float *c, const float *input, const float *recurrent,
                                                          size_t pitch, const CK_U(float) *peepholes, size_t hidden, size_t units,
                                                          float clip, bool input_forget, const ck_activation *act,
                                                          const bool plain) {
    for (size_t j = 0; j < units; j += W) {
        const float *x = input + j, *s = recurrent + j;
        vf i = LD(x) + LD(s), o = LD(x + pitch) + LD(s + pitch), f = LD(x + 2 * pitch) + LD(s + 2 * pitch);
        const vf g = T(rnn_gate)(LD(x + 3 * pitch) + LD(s + 3 * pitch), clip, act + 1, plain, false);
        const vf old = LD(c + j);
        vf po = VS(0);
        if (peepholes) {
            const size_t left = units - j;
#define PEEP(k) (left >= W ? LD(peepholes + (k) * hidden + j) : LDN(peepholes + (k) * hidden + j, left))
            i += PEEP(0) * old;
            f += PEEP(2) * old;
            po = PEEP(1);
#undef PEEP
        }
        i = T(rnn_gate)(i, clip, act, plain, true);
        f = input_forget ? VS(1) - i : T(rnn_gate)(f, clip, act, plain, true);
        const vf cell = f * old + i * g;
        if (peepholes) o += po * cell;
        o = T(rnn_gate)(o, clip, act, plain, true);
        ST(c + j, cell);
        // The cell itself is not clipped.
        ST(h_out + j, o * (plain ? vtanh(cell) : T(rnn_act)(cell, 0, act + 2)));
    }
}

static void T(lstm_units)(float *h_out, float *c, const float *input, const float *recurrent, size_t pitch,
                          const CK_U(float) *peepholes, size_t hidden, size_t units, float clip, bool input_forget,
                          const ck_activation *act) {
    const bool plain = clip <= 0 && act[0].op == CK_UNARY_SIGMOID && act[1].op == CK_UNARY_TANH && act[2].op == CK_UNARY_TANH;
    if (plain) {
        T(lstm)(h_out, c, input, recurrent, pitch, peepholes, hidden, units, clip, input_forget, act, true);
    } else {
        T(lstm)(h_out, c, input, recurrent, pitch, peepholes, hidden, units, clip, input_forget, act, false);
    }
}

static inline __attribute__((always_inline)) vf T(gru_mix)(vf z, vf n, vf h) { return (VS(1) - z) * n + z * h; }

static void T(gru_units)(float *h_out, const float *h_prev, const float *input, const float *recurrent, size_t pitch,
                         const float *bias, size_t units, float clip, const ck_activation *act) {
    const bool plain = clip <= 0 && act[0].op == CK_UNARY_SIGMOID && act[1].op == CK_UNARY_TANH;
    for (size_t j = 0; j < units; j += W) {
        const float *x = input + j, *s = recurrent + j;
        const vf zx = LD(x) + LD(s), rx = LD(x + pitch) + LD(s + pitch);
        const vf z = plain ? vsigmoid(zx) : T(rnn_act)(zx, clip, act), r = plain ? vsigmoid(rx) : T(rnn_act)(rx, clip, act);
        const vf nx = LD(x + 2 * pitch) + r * (LD(s + 2 * pitch) + LD(bias + j));
        ST(h_out + j, T(gru_mix)(z, plain ? vtanh(nx) : T(rnn_act)(nx, clip, act + 1), LD(h_prev + j)));
    }
}

static void T(gru_gates)(float *z, float *reset, const float *h_prev, const float *input, const float *recurrent, size_t pitch,
                         size_t units, float clip, const ck_activation *act) {
    for (size_t j = 0; j < units; j += W) {
        const float *x = input + j, *s = recurrent + j;
        ST(z + j, T(rnn_act)(LD(x) + LD(s), clip, act));
        ST(reset + j, T(rnn_act)(LD(x + pitch) + LD(s + pitch), clip, act) * LD(h_prev + j));
    }
}

static void T(gru_output)(float *h_out, const float *z, const float *h_prev, const float *input, const float *recurrent,
                          size_t units, float clip, const ck_activation *act) {
    for (size_t j = 0; j < units; j += W) {
        const vf n = T(rnn_act)(LD(input + j) + LD(recurrent + j), clip, act);
        ST(h_out + j, T(gru_mix)(LD(z + j), n, LD(h_prev + j)));
    }
}

static void T(rnn_units)(float *h_out, const float *input, const float *recurrent, size_t units, float clip,
                         const ck_activation *act) {
    for (size_t j = 0; j < units; j += W) ST(h_out + j, T(rnn_act)(LD(input + j) + LD(recurrent + j), clip, act));
}

#endif
