// Recurrent cells. Vector work is the unary kernels', which run over the gates in place; the rest vectorises by itself.
#include "include/ck_rnn.h"
#include "internal.h"

static const ck_activation sigmoid = {CK_UNARY_SIGMOID, 0, 0}, hyperbolic = {CK_UNARY_TANH, 0, 0};

static void apply(const ck_activation *a, float *x, size_t n, float clip) {
    if (clip > 0) ck_unary_f32(CK_UNARY_CLIP, x, x, n, -clip, clip);
    ck_unary_f32(a->op, x, x, n, a->p0, a->p1);
}

void ck_lstm_cell_f32(float *h_out, float *c_out, float *gates, const CK_U(float) *c_prev, const CK_U(float) *peepholes,
                      size_t hidden, float clip, bool input_forget, const ck_activation *f, const ck_activation *g,
                      const ck_activation *h, size_t begin, size_t end) {
    if (!f) f = &sigmoid;
    if (!g) g = &hyperbolic;
    if (!h) h = &hyperbolic;
    for (size_t b = begin; b < end; b++) {
        float *gi = gates + b * 4 * hidden, *go = gi + hidden, *gf = go + hidden, *gc = gf + hidden;
        const CK_U(float) *cp = c_prev + b * hidden;
        float *c = c_out + b * hidden, *y = h_out + b * hidden;
        if (peepholes) {
            for (size_t j = 0; j < hidden; j++) gi[j] += peepholes[j] * cp[j];
            for (size_t j = 0; j < hidden; j++) gf[j] += peepholes[2 * hidden + j] * cp[j];
        }
        apply(f, gi, hidden, clip);
        apply(g, gc, hidden, clip);
        if (input_forget) {
            for (size_t j = 0; j < hidden; j++) gf[j] = 1.0f - gi[j];
        } else {
            apply(f, gf, hidden, clip);
        }
        for (size_t j = 0; j < hidden; j++) c[j] = gf[j] * cp[j] + gi[j] * gc[j];
        if (peepholes) {
            for (size_t j = 0; j < hidden; j++) go[j] += peepholes[hidden + j] * c[j];
        }
        apply(f, go, hidden, clip);
        ck_unary_f32(h->op, y, c, hidden, h->p0, h->p1);
        for (size_t j = 0; j < hidden; j++) y[j] *= go[j];
    }
}

void ck_gru_gates_f32(float *gates, float *reset, const CK_U(float) *h_prev, const CK_U(float) *recurrent_h, size_t hidden,
                      float clip, bool linear_before_reset, const ck_activation *f, size_t begin, size_t end) {
    if (!f) f = &sigmoid;
    for (size_t b = begin; b < end; b++) {
        float *z = gates + b * 3 * hidden, *r = z + hidden, *n = r + hidden;
        apply(f, z, 2 * hidden, clip);
        if (linear_before_reset && recurrent_h) {
            for (size_t j = 0; j < hidden; j++) n[j] += r[j] * recurrent_h[b * hidden + j];
        } else if (reset) {
            for (size_t j = 0; j < hidden; j++) reset[b * hidden + j] = r[j] * h_prev[b * hidden + j];
        }
    }
}

void ck_gru_output_f32(float *h_out, float *gates, const CK_U(float) *h_prev, size_t hidden, float clip,
                       const ck_activation *g, size_t begin, size_t end) {
    if (!g) g = &hyperbolic;
    for (size_t b = begin; b < end; b++) {
        float *z = gates + b * 3 * hidden, *n = z + 2 * hidden;
        apply(g, n, hidden, clip);
        for (size_t j = 0; j < hidden; j++)
            h_out[b * hidden + j] = (1.0f - z[j]) * n[j] + z[j] * h_prev[b * hidden + j];
    }
}
