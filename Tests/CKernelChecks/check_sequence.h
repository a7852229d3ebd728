// Steps of sequence models.

static void check_sequence(void) {
    tally linear = {"linear attention", 0, 1e-5, 0}, conv = {"causal conv", 0, 1e-5, 0};
    for (int round = 0; round < 100; round++) {
        const size_t keys = pick(1, 20), values = pick(1, 50), step = rnd() % 2;
        float *state = randoms(keys * values, -1, 1), *k = randoms(keys, -1, 1), *v = randoms(values, -1, 1);
        float *g = randoms(keys, -1, 0), *q = randoms(keys, -1, 1), *w = blanks(values), *out = blanks(values), beta = 0.4f;
        double *want = raw(keys * values * sizeof *want);
        const bool gated = rnd() % 2, delta = rnd() % 2;
        for (size_t d = 0; d < keys; d++) {
            for (size_t j = 0; j < values; j++) want[d * values + j] = state[d * values + j] * (gated ? exp(g[d * step]) : 1);
        }
        for (size_t j = 0; j < values; j++) {
            double held = 0, add = v[j];
            for (size_t d = 0; d < keys; d++) held += want[d * values + j] * k[d];
            if (delta) add = beta * (v[j] - held);
            for (size_t d = 0; d < keys; d++) want[d * values + j] += k[d] * add;
        }
        ck_linear_attention_step_f32(state, k, v, gated ? g : NULL, step, delta ? &beta : NULL, w, keys, values);
        ck_linear_attention_read_f32(out, state, q, 0.5f, keys, values);
        for (size_t j = 0; j < values; j++) {
            double sum = 0;
            for (size_t d = 0; d < keys; d++) {
                compare(&linear, state[d * values + j], want[d * values + j], 2);
                sum += want[d * values + j] * q[d];
            }
            compare(&linear, out[j], sum / 2, 8);
        }
        free(state), free(k), free(v), free(g), free(q), free(w), free(out), free(want);

        const size_t taps = pick(1, 6), length = pick(1, 40), kept = taps - 1;
        float *in = randoms(length, -2, 2), *past = randoms(kept, -2, 2), *weight = randoms(taps, -1, 1);
        float *result = blanks(length), *present = blanks(kept);
        const bool has_past = rnd() % 2, silu = rnd() % 2;
        ck_causal_conv_f32(result, present, in, has_past ? past : NULL, weight, 0.3f, taps, length, silu);
        for (size_t t = 0; t < length + kept; t++) {
            if (t >= length) {
                const double last = t >= kept ? in[t - kept] : has_past ? past[t] : 0;
                compare(&conv, present[t - length], last, 1);
                continue;
            }
            double sum = 0.3f;
            for (size_t j = 0; j < taps; j++) sum += (t + j >= kept ? in[t + j - kept] : has_past ? past[t + j] : 0) * (double)weight[j];
            compare(&conv, result[t], silu ? sum / (1 + exp(-sum)) : sum, 4);
        }
        free(in), free(past), free(weight), free(result), free(present);
    }
    report(&linear), report(&conv);
}
