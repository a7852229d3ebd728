// 8-bit products with packed weights, the columns of images; steps of sequence models.

static void check_dot8_products(void) {
    for (int round = 0; round < 300; round++) {
        const size_t m = pick(1, 40), n = pick(1, 100), k = pick(1, 90), panels = (n + 31) / 32;
        const bool bs = rnd() % 2, tb = rnd() % 2, has_zeros = rnd() % 2;
        uint8_t *a = bytes(m * k), *b = bytes(k * n);
        if (rnd() % 4 == 0) memset(a, 255, m * k), memset(b, bs ? 0x80 : 255, k * n);
        const int32_t a_zero = (int32_t)(rnd() % 256);
        int8_t *packed = raw(ck_dot8_packed_bytes(k, n));
        int32_t *columns = raw(panels * 32 * 4), *zeros = raw(panels * 32 * 4), *bias = raw(n * 4), *c = raw(m * n * 4);
        const size_t cut = pick(0, panels), row = pick(0, m);
        ck_dot8_pack(packed, columns, b, bs, tb ? 1 : (ptrdiff_t)n, tb ? (ptrdiff_t)k : 1, k, n, 0, cut);
        ck_dot8_pack(packed, columns, b, bs, tb ? 1 : (ptrdiff_t)n, tb ? (ptrdiff_t)k : 1, k, n, cut, panels);
        float *scale = randoms(n, 0.0001f, 0.01f), *addend = randoms(n, -3, 3), *f = blanks(m * n);
        for (size_t j = 0; j < n; j++) {
            zeros[j] = has_zeros ? (int32_t)(rnd() % 256) - 128 : 0;
            columns[j] -= (int32_t)k * zeros[j];
            bias[j] = (int32_t)(rnd() % 1000) - 500;
        }
        ck_dot8 p = {a, k, a_zero, packed, columns, has_zeros ? zeros : NULL, n, k, bias, scale, addend, 7, CK_DOT8_INT32, c, n};
        ck_dot8_run(&p, 0, row, 0, panels);
        ck_dot8_run(&p, row, m, 0, cut);
        ck_dot8_run(&p, row, m, cut, panels);
        p.result = CK_DOT8_FLOAT, p.out = f;
        ck_dot8_run(&p, 0, m, 0, panels);
        const bool ys = rnd() % 2;
        uint8_t *q = raw(m * n);
        p.result = ys ? CK_DOT8_INT8 : CK_DOT8_UINT8, p.out = q;
        ck_dot8_run(&p, 0, m, 0, panels);
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++) {
                int64_t sum = bias[j];
                for (size_t e = 0; e < k; e++) {
                    const int32_t w = eight(b, tb ? j * k + e : e * n + j, bs) - (bs ? 0 : 128);
                    sum += (a[i * k + e] - a_zero) * (w - zeros[j]);
                }
                expect(c[i * n + j] == sum, "dot8");
                volatile float product = (float)sum * scale[j];
                expect(f[i * n + j] == product + addend[j], "dot8 as float");
                expect(eight(q, i * n + j, ys) == clamp8(nearbyint(product) + 7, ys), "dot8 in 8 bits");
            }
        }
        free(a), free(b), free(packed), free(columns), free(zeros), free(bias), free(c), free(scale), free(addend), free(f), free(q);
    }
}

static void check_dot8_columns(void) {
    for (int round = 0; round < 200; round++) {
        const size_t channels = pick(1, 9);
        ck_window w = {{1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {1, 1, 1}, {0, 0, 0}, {0, 0, 0}};
        for (int axis = (int)pick(0, 2); axis < 3; axis++) {
            w.in[axis] = (ptrdiff_t)pick(1, 9), w.kernel[axis] = (ptrdiff_t)pick(1, 3), w.stride[axis] = (ptrdiff_t)pick(1, 2);
            w.dilation[axis] = (ptrdiff_t)pick(1, 2), w.pad_begin[axis] = (ptrdiff_t)pick(0, 2), w.out[axis] = (ptrdiff_t)pick(1, 5);
        }
        const size_t inputs = (size_t)(w.in[0] * w.in[1] * w.in[2]), outputs = (size_t)(w.out[0] * w.out[1] * w.out[2]);
        const size_t row = (size_t)(w.kernel[0] * w.kernel[1] * w.kernel[2]) * channels, from = pick(0, outputs);
        const bool flip = rnd() % 2;
        const uint8_t pad = (uint8_t)rnd(), change = flip ? 0x80 : 0;
        uint8_t *x = bytes(inputs * channels), *y = raw((outputs - from) * row);
        ck_dot8_columns(y, x, flip, pad, &w, channels, from, outputs);
        for (size_t p = from; p < outputs; p++) {
            const ptrdiff_t at[3] = {(ptrdiff_t)p / w.out[2] / w.out[1], (ptrdiff_t)p / w.out[2] % w.out[1], (ptrdiff_t)p % w.out[2]};
            for (size_t e = 0; e < row; e++) {
                const ptrdiff_t tap = (ptrdiff_t)(e / channels);
                const ptrdiff_t t[3] = {tap / w.kernel[2] / w.kernel[1], tap / w.kernel[2] % w.kernel[1], tap % w.kernel[2]};
                ptrdiff_t place = 0;
                for (int axis = 0; axis < 3 && place >= 0; axis++) {
                    const ptrdiff_t i = at[axis] * w.stride[axis] + t[axis] * w.dilation[axis] - w.pad_begin[axis];
                    place = i < 0 || i >= w.in[axis] ? -1 : place * w.in[axis] + i;
                }
                const uint8_t want = place < 0 ? pad : x[(size_t)place * channels + e % channels] ^ change;
                expect(y[(p - from) * row + e] == want, "columns of 8 bits");
            }
        }
        free(x), free(y);
    }
}

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

static void check_dot8(void) {
    check_dot8_products();
    check_dot8_columns();
    check_sequence();
}
