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

/// All results of a 3 x 3 convolution in double; for each filter the largest sum of a result's terms' magnitudes.
static void filter_3x3(double *sums, double *scales, const ck_last_image *m, const float *weights, const float *bias, size_t n, size_t items) {
    const ck_window *w = &m->window;
    const size_t no = product3(w->out);
    for (size_t o = 0; o < items * no; o++) {
        for (size_t j = 0; j < n; j++) {
            double sum = bias[j], scale = 1;
            for (ptrdiff_t tap = 0; tap < 9; tap++) {
                const float *at = under(w, m->in, (ptrdiff_t)(o % no), tap);
                if (!at) continue;
                const float *x = m->in + o / no * m->item + (size_t)(at - m->in) * m->pitch;
                for (size_t c = 0; c < m->channels; c++) {
                    const double term = (double)x[c] * weights[(j * m->channels + c) * 9 + (size_t)tap];
                    sum += term, scale += fabs(term);
                }
            }
            sums[o * n + j] = sum;
            if (o == 0 || scale > scales[j]) scales[j] = scale;
        }
    }
}

static void check_winograd_size(size_t size, double limit) {
    static const ck_activation acts[] = {{CK_UNARY_NONE, 0, 0}, {CK_UNARY_RELU, 0, 0}, {CK_UNARY_CLIP, -1, 1}, {CK_UNARY_HARD_SWISH, 0, 0},
                                         {CK_UNARY_GELU, 0, 0}, {CK_UNARY_ELU, 0.5f, 0}};
    tally t = {size == 2 ? "Winograd, 2 x 2" : "Winograd, 4 x 4", 0, limit, 0};
    for (int round = 0; round < 60; round++) {
        const size_t channels = rnd() % 6 ? pick(1, 70) : 512, pitch = channels + pick(0, 3), n = pick(1, 90), items = pick(1, 2), ldc = n + pick(0, 3);
        ck_window w = {{(ptrdiff_t)pick(1, 2), (ptrdiff_t)pick(1, 14), (ptrdiff_t)pick(1, 14)}, {0}, {1, 3, 3}, {1, 1, 1}, {1, 1, 1},
                       {0, (ptrdiff_t)pick(0, 4) - 1, (ptrdiff_t)pick(0, 4) - 1}, {0, (ptrdiff_t)pick(0, 3), (ptrdiff_t)pick(0, 3)}};
        for (int d = 0; d < 3; d++) {
            w.out[d] = w.in[d] + w.pad_begin[d] + w.pad_end[d] - w.kernel[d] + 1;
            if (w.out[d] < 1) w.in[d] += 1 - w.out[d], w.out[d] = 1;
        }
        const size_t ni = product3(w.in), no = product3(w.out), count = items * no * n;
        float *in = randoms(items * ni * pitch, -1, 1), *weights = randoms(n * channels * 9, -1, 1), *bias = randoms(n, -1, 1);
        float *residual = randoms(items * no * ldc, -1, 1), *out = blanks(items * no * ldc), *again = raw(items * no * ldc * 4);
        float *packed = blanks(ck_winograd_packed_size(n, channels, size));
        double *sums = raw(count * 8), *scales = raw(n * 8);
        const size_t filters = ck_gemm_nr(), panels = (n + filters - 1) / filters, middle = pick(0, panels);
        ck_winograd_pack(packed, weights, n, channels, size, 0, middle);
        ck_winograd_pack(packed, weights, n, channels, size, middle, panels);
        ck_winograd conv = {{in, pitch, channels, ni * pitch, w}, size, pick(1, 30)};
        const bool adds = rnd() % 2;
        const ck_gemm_epilogue e = {.alpha = 1, .bias_col = bias, .residual = adds ? residual : NULL, .residual_stride = ldc,
                                    .act = acts[rnd() % 6], .act_first = adds && rnd() % 2};
        const size_t tiles = ck_winograd_tiles(&w, size, items), mid = pick(0, tiles), cut = n / ck_gemm_nr() * ck_gemm_nr();
        for (int part = 0; part < 4; part++) {
            void *scratch = raw(ck_winograd_scratch_bytes(channels, size, conv.block));
            ck_winograd_f32(out, ldc, &conv, packed, part & 1 ? mid : 0, part & 1 ? tiles : mid, part & 2 ? cut : 0, part & 2 ? n : cut, &e, scratch);
            free(scratch);
        }
        // In another cut, over the residual.
        memcpy(again, adds ? residual : out, items * no * ldc * 4);
        ck_gemm_epilogue over = e;
        if (adds) over.residual = again;
        conv.block = pick(1, 30);
        void *scratch = raw(ck_winograd_scratch_bytes(channels, size, conv.block));
        ck_winograd_f32(again, ldc, &conv, packed, 0, tiles, 0, n, &over, scratch);
        filter_3x3(sums, scales, &conv.image, weights, bias, n, items);
        int same = 1;
        for (size_t i = 0; i < count; i++) {
            const size_t at = i / n * ldc + i % n;
            float y = (float)sums[i] + (adds && !e.act_first ? residual[at] : 0);
            ck_unary_f32(e.act.op, &y, &y, 1, e.act.p0, e.act.p1);
            if (adds && e.act_first) y += residual[at];
            compare(&t, out[at], y, scales[i % n]);
            same &= out[at] == again[at];
        }
        expect(same, "Winograd: the same bits however it is cut");
        free(scratch), free(in), free(weights), free(bias), free(residual), free(out), free(again), free(packed), free(sums), free(scales);
    }
    report(&t);
}

static void check_winograd(void) {
    check_winograd_size(2, 1e-6);
    check_winograd_size(4, 5e-6);
}
