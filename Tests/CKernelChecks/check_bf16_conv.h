// Convolutions of channels-last bfloat16, in every kernel that this CPU has.

static uint16_t *random_bf16(size_t n) {
    float *values = randoms(n, -1, 1);
    uint16_t *out = raw(n * 2);
    ck_bf16_rows(out, n, n, values, 0, 1, n, 0, 1);
    free(values);
    return out;
}

static float as_float(uint16_t bits) {
    const uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, 4);
    return value;
}

static void check_bf16_convolution(tally *t) {
    ck_window w = random_window(rnd() % 8 ? 2 : 3);
    const bool whole = rnd() % 4 != 0;
    const size_t channels = whole ? 32 * pick(1, 3) : 2 * pick(1, 9), more = rnd() % 3 ? 0 : 2 * pick(0, 2), n = pick(1, 70), batch = pick(1, 3);
    const size_t pitch = channels + more, ni = product3(w.in), no = product3(w.out), taps = product3(w.kernel), m = batch * no, ldc = n + pick(0, 3);
    uint16_t *in = random_bf16(batch * ni * pitch), *packed = raw(ck_bf16_packed_size(ck_bf16_conv_depth(&w, channels, pitch), n) * 2);
    float *weights = randoms(n * channels * taps, -1, 1), *bias = randoms(n, -1, 1), *out = blanks(m * ldc), *places = blanks(ni);
    const size_t panels = (n + 31) / 32, middle = pick(0, panels);
    ck_bf16_pack_conv(packed, weights, n, channels, channels, &w, pitch, 0, middle);
    ck_bf16_pack_conv(packed, weights, n, channels, channels, &w, pitch, middle, panels);
    const ck_bf16_image image = {in, pitch, channels, ni * pitch, w};
    const ck_bf16_result to = {.c = out, .ldc = ldc, .epilogue = {.alpha = 1, .bias_col = bias}};
    const size_t mid = pick(0, m), cut = n / 64 * 32;
    for (int part = 0; part < 4; part++) {
        const size_t begin = part & 1 ? mid : 0, end = part & 1 ? m : mid;
        void *scratch = raw(ck_bf16_conv_scratch_bytes(&w, channels, pitch, end - begin));
        ck_bf16_conv(&to, &image, packed, m, begin, end, part & 2 ? cut : 0, part & 2 ? n : cut, scratch);
        free(scratch);
    }
    for (size_t row = 0; row < m; row++) {
        for (size_t j = 0; j < n; j++) {
            double sum = bias[j], scale = 1;
            for (size_t tap = 0; tap < taps; tap++) {
                const float *at = under(&w, places, (ptrdiff_t)(row % no), (ptrdiff_t)tap);
                if (!at) continue;
                const uint16_t *x = in + (row / no * ni + (size_t)(at - places)) * pitch;
                for (size_t c = 0; c < channels; c++) {
                    const double term = (double)as_float(x[c]) * rounded_bf16(weights[(j * channels + c) * taps + tap]);
                    sum += term, scale += fabs(term);
                }
            }
            compare(t, out[row * ldc + j], sum, scale);
        }
    }
    free(in), free(packed), free(weights), free(bias), free(out), free(places);
}

/// Pooling of bfloat16 gives what that of the same numbers as floats gives.
static void check_bf16_pool(void) {
    for (int round = 0; round < 60; round++) {
        ck_window w = random_window(rnd() % 8 ? 2 : 3);
        const size_t channels = pick(1, 70), batch = pick(1, 2), ni = product3(w.in), no = product3(w.out), count = batch * no * channels;
        uint16_t *in = random_bf16(batch * ni * channels), *out = raw(count * 2);
        if (rnd() % 4 == 0) in[pick(0, batch * ni * channels - 1)] = rnd() % 2 ? 0x7fc0 : 0xff80;
        float *wide = raw(batch * ni * channels * 4), *expected = raw(count * 4);
        for (size_t i = 0; i < batch * ni * channels; i++) wide[i] = as_float(in[i]);
        const size_t lines = batch * (size_t)(w.out[0] * w.out[1]), mid = pick(0, lines);
        ck_last_maxpool_f32(expected, wide, channels, &w, 0, lines);
        ck_last_maxpool_bf16(out, in, channels, &w, 0, mid);
        ck_last_maxpool_bf16(out, in, channels, &w, mid, lines);
        for (size_t i = 0; i < count; i++) {
            const float found = as_float(out[i]);
            expect(!memcmp(&found, expected + i, 4), "maxpool of bfloat16 differs from that of floats");
        }
        free(in), free(out), free(wide), free(expected);
    }
}

static void check_bf16_conv(void) {
    check_bf16_pool();
    for (int kernel = CK_BF16_AMX; kernel >= 0; kernel--) {
        if (ck_bf16_select(kernel) != kernel) continue;  // check_bf16 says so
        char name[64];
        snprintf(name, sizeof name, "bf16 convolution, %s", ck_bf16_name());
        tally t = {name, 0, 2e-6, 0};
        for (int round = 0; round < 120; round++) check_bf16_convolution(&t);
        report(&t);
    }
    ck_bf16_select(-1);
}
