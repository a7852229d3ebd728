// Direct convolutions to channels last: depthwise ones, and of images with few channels that come first.

static void check_depthwise(void) {
    tally t = {"depthwise, channels last", 0, 1e-6, 0};
    for (int round = 0; round < 200; round++) {
        const ck_window w = random_window(rnd() % 8 ? 2 : 3);
        const size_t channels = pick(1, 150), batch = pick(1, 2), ni = product3(w.in), no = product3(w.out), taps = product3(w.kernel);
        float *in = randoms(batch * ni * channels, -1, 1), *weights = randoms(taps * channels, -1, 1), *bias = randoms(channels, -1, 1);
        float *residual = randoms(batch * no * channels, -1, 1), *out = blanks(batch * no * channels), *places = blanks(ni);
        const ck_activation relu = {CK_UNARY_RELU, 0, 0};
        const size_t lines = batch * (size_t)(w.out[0] * w.out[1]), mid = pick(0, lines);
        const bool adds = rnd() % 2;
        ck_last_depthwise_f32(out, in, weights, bias, adds ? residual : NULL, channels, &w, 0, mid, &relu);
        ck_last_depthwise_f32(out, in, weights, bias, adds ? residual : NULL, channels, &w, mid, lines, &relu);
        for (size_t o = 0; o < batch * no; o++) {
            for (size_t c = 0; c < channels; c++) {
                double sum = bias[c], scale = 1;
                for (size_t tap = 0; tap < taps; tap++) {
                    const float *at = under(&w, places, (ptrdiff_t)(o % no), (ptrdiff_t)tap);
                    if (!at) continue;
                    const double term = (double)in[(o / no * ni + (size_t)(at - places)) * channels + c] * weights[tap * channels + c];
                    sum += term, scale += fabs(term);
                }
                if (adds) sum += residual[o * channels + c];
                compare(&t, out[o * channels + c], sum > 0 ? sum : 0, scale);
            }
        }
        free(in), free(weights), free(bias), free(residual), free(out), free(places);
    }
    report(&t);
}

static void check_first_conv(void) {
    tally t = {"convolution, channels first to last", 0, 1e-6, 0};
    for (int round = 0; round < 200; round++) {
        const ck_window w = random_window(2);
        const size_t channels = pick(1, 4), n = pick(1, 90), batch = pick(1, 2), ni = product3(w.in), no = product3(w.out), taps = product3(w.kernel);
        float *in = randoms(batch * channels * ni, -1, 1), *weights = randoms(n * channels * taps, -1, 1), *bias = randoms(n, -1, 1);
        float *packed = blanks(ck_first_packed_size(channels, taps, n)), *out = blanks(batch * no * n);
        const ck_activation relu = {CK_UNARY_RELU, 0, 0};
        const size_t lines = batch * (size_t)w.out[1], mid = pick(0, lines);
        ck_first_pack(packed, weights, n, channels, taps);
        ck_first_conv_f32(out, in, packed, bias, channels, n, &w, 0, mid, &relu);
        ck_first_conv_f32(out, in, packed, bias, channels, n, &w, mid, lines, &relu);
        for (size_t o = 0; o < batch * no; o++) {
            for (size_t j = 0; j < n; j++) {
                double sum = bias[j], scale = 1;
                for (size_t c = 0; c < channels; c++) {
                    for (size_t tap = 0; tap < taps; tap++) {
                        const float *at = under(&w, in + (o / no * channels + c) * ni, (ptrdiff_t)(o % no), (ptrdiff_t)tap);
                        const double term = at ? (double)*at * weights[(j * channels + c) * taps + tap] : 0;
                        sum += term, scale += fabs(term);
                    }
                }
                compare(&t, out[o * n + j], sum > 0 ? sum : 0, scale);
            }
        }
        free(in), free(weights), free(bias), free(packed), free(out);
    }
    report(&t);
}
