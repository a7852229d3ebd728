// Quantized products, element-wise arithmetic, pooling, blocks.

/// An 8-bit number of `p`, as the type says.
static int32_t eight(const uint8_t *p, size_t i, bool is_signed) { return is_signed ? (int8_t)p[i] : p[i]; }

static double clamp8(double x, bool is_signed) {
    return is_signed ? fmin(127, fmax(-128, x)) : fmin(255, fmax(0, x));
}

static uint8_t *bytes(size_t n) {
    uint8_t *p = raw(n);
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)rnd();
    return p;
}

static void check_whole_products(void) {
    for (int round = 0; round < 300; round++) {
        const size_t m = pick(1, 70), n = pick(1, 140), k = rnd() % 4 ? pick(0, 60) : pick(250, 800);
        const bool as = rnd() % 2, bs = rnd() % 2, ta = rnd() % 2, tb = rnd() % 2, per_column = rnd() % 2;
        uint8_t *a = bytes(m * k), *b = bytes(k * n), *za = bytes(1), *zb = bytes(n);
        if (rnd() % 4 == 0) memset(a, 255, m * k), memset(b, 255, k * n), za[0] = 0, memset(zb, 0, n);
        float *x = blanks(m * k), *y = blanks(k * n), *scale = randoms(n, 0.001f, 0.1f), *bias = randoms(n, -3, 3);
        int32_t *c = raw(m * n * 4);
        ck_center_i8(x, a, as, za, 1, m * k, 0, 1);
        // B is stored [k][n] or, transposed, [n][k].
        if (!per_column) ck_center_i8(y, b, bs, zb, 1, k * n, 0, 1);
        else if (tb) ck_center_i8(y, b, bs, zb, n, k, 0, n);
        else ck_center_i8(y, b, bs, zb, n, 1, 0, k * n);
        const size_t cut = pick(0, m);
        const ptrdiff_t ar = ta ? 1 : (ptrdiff_t)k, ac = ta ? (ptrdiff_t)m : 1, br = tb ? 1 : (ptrdiff_t)n, bc = tb ? (ptrdiff_t)k : 1;
        ck_contract_whole(c, n, x, ar, ac, y, br, bc, n, k, 0, cut);
        ck_contract_whole(c, n, x, ar, ac, y, br, bc, n, k, cut, m);
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++) {
                int64_t sum = 0;
                for (size_t p = 0; p < k; p++) {
                    const int32_t u = eight(a, ta ? p * m + i : i * k + p, as) - eight(za, 0, as);
                    sum += u * (eight(b, tb ? j * k + p : p * n + j, bs) - eight(zb, per_column ? j : 0, bs));
                }
                expect(c[i * n + j] == sum, "whole contraction");
            }
        }
        float *f = blanks(m * n);
        uint8_t *q = raw(m * n);
        const size_t step = rnd() % 2;
        ck_scale_rows_i32(f, c, scale, step, bias, n, 0, m);
        ck_requantize_planes(q, as, c, NULL, scale, step, 5, m, n, 0, m > n ? 0 : m);
        for (size_t i = 0; i < m * n; i++) {
            volatile float product = (float)c[i] * scale[step * (i % n)];
            expect(f[i] == product + bias[i % n], "scaled rows");
            if (m > n) continue;
            product = (float)c[i] * scale[step * (i / n)];
            expect(eight(q, i, as) == clamp8(nearbyint(product) + 5, as), "requantized planes");
        }
        free(a), free(b), free(za), free(zb), free(x), free(y), free(scale), free(bias), free(c), free(f), free(q);
    }
}

static void check_eight_bits(void) {
    for (int round = 0; round < 300; round++) {
        const size_t n = pick(1, 100), p = rnd() % 3 != 0, q = p ? rnd() % 3 != 0 : 1;
        const bool is_signed = rnd() % 2;
        uint8_t *a = bytes(n), *b = bytes(n), *sum = raw(n), *product = raw(n), *half = bytes((n + 1) / 2), *wide = raw(n);
        const float ra = uniform(0.1f, 2), rb = uniform(0.1f, 2), fixed = uniform(-100, 100);
        ck_add_i8(sum, a, p, b, q, is_signed, ra, rb, fixed, n);
        ck_mul_i8(product, a, p, 3, b, q, -2, is_signed, ra * 0.01f, 7, n);
        ck_widen_i4(wide, half, is_signed, n);
        for (size_t i = 0; i < n; i++) {
            const float u = (float)eight(a, i * p, is_signed), v = (float)eight(b, i * q, is_signed);
            const float y = p ? fmaf(u, ra, fmaf(v, rb, fixed)) : fmaf(v, rb, fmaf(u, ra, fixed));
            expect(eight(sum, i, is_signed) == clamp8(nearbyintf(y), is_signed), "add of 8 bits");
            volatile float z = (u - 3) * (v + 2) * (ra * 0.01f);
            expect(eight(product, i, is_signed) == clamp8(nearbyintf(z + 7), is_signed), "mul of 8 bits");
            const int code = half[i / 2] >> (i % 2 * 4) & 15;
            expect((int8_t)wide[i] == (is_signed && code > 7 ? code - 16 : code), "widening of 4 bits");
        }
        free(a), free(b), free(sum), free(product), free(half), free(wide);

        const ck_window w = {.in = {1, (ptrdiff_t)pick(3, 7), (ptrdiff_t)pick(3, 7)}, .kernel = {1, 2, 3}, .stride = {1, 2, 1},
                             .dilation = {1, 1, 1}, .pad_begin = {0, 1, 1}, .pad_end = {0, 0, 1}, .out = {1, 0, 0}};
        ck_window v = w;
        for (int i = 1; i < 3; i++) v.out[i] = (w.in[i] + w.pad_begin[i] + w.pad_end[i] - w.kernel[i]) / w.stride[i] + 1;
        const size_t planes = 3, in = (size_t)(v.in[1] * v.in[2]), out = (size_t)(v.out[1] * v.out[2]);
        uint8_t *x = bytes(planes * in), *top = raw(planes * out), *last = raw(planes * out), *mean = raw(planes * out);
        uint8_t *turned = raw(planes * in);
        float table[256];
        for (int i = 0; i < 256; i++) table[i] = 0.1f * (float)eight((const uint8_t[]){(uint8_t)i}, 0, is_signed);
        for (size_t i = 0; i < planes * in; i++) turned[i % in * planes + i / in] = x[i];
        ck_maxpool_u8(top, x, &v, is_signed, 0, 0, planes);
        ck_maxpool_u8(last, turned, &v, is_signed, planes, 0, out);
        ck_avgpool_u8(mean, is_signed, x, table, &v, false, 0.1f, 0, 0, planes);
        for (size_t i = 0; i < planes * out; i++) {
            const ptrdiff_t oh = (ptrdiff_t)(i % out) / v.out[2], ow = (ptrdiff_t)(i % out) % v.out[2];
            int32_t best = -1000, count = 0;
            double total = 0;
            for (ptrdiff_t h = oh * 2 - 1; h < oh * 2 + 1; h++) {
                for (ptrdiff_t c = ow - 1; c < ow + 2; c++) {
                    if (h < 0 || h >= v.in[1] || c < 0 || c >= v.in[2]) continue;
                    const int32_t value = eight(x, i / out * in + (size_t)(h * v.in[2] + c), is_signed);
                    best = value > best ? value : best;
                    total += value, count++;
                }
            }
            expect(eight(top, i, is_signed) == best, "maxpool of 8 bits");
            expect(eight(last, i % out * planes + i / out, is_signed) == best, "maxpool of 8 bits, channels last");
            expect(fabs(eight(mean, i, is_signed) - total / count) <= 0.501, "avgpool of 8 bits");
        }
        free(x), free(top), free(last), free(mean), free(turned);
    }
}

static void check_blocks(void) {
    for (int round = 0; round < 200; round++) {
        const size_t bits = (size_t[]){2, 4, 8}[rnd() % 3], block = (size_t[]){16, 32}[rnd() % 2], rows = pick(1, 9);
        const size_t k = pick(1, 90), blocks = (k + block - 1) / block, from = pick(0, rows - 1);
        uint8_t *q = bytes(rows * blocks * block * bits / 8), *points = bytes(rows * ((blocks * bits + 7) / 8));
        float *scale = randoms(rows * blocks, 0.1f, 2), *zero = blanks(rows * blocks), *out = blanks((rows - from) * k);
        ck_unpack_bits(zero, points, bits, blocks, (blocks * bits + 7) / 8, 0, rows);
        ck_dequantize_blocks(out, q, bits, scale, zero, block, blocks, k, from, rows);
        for (size_t i = from; i < rows; i++) {
            for (size_t p = 0; p < k; p++) {
                const size_t at = i * blocks + p / block, bit = p % block * bits, zbit = p / block * bits;
                const int mask = (1 << bits) - 1;
                const int code = q[at * (block * bits / 8) + bit / 8] >> (bit % 8) & mask;
                const int point = points[i * ((blocks * bits + 7) / 8) + zbit / 8] >> (zbit % 8) & mask;
                expect(out[(i - from) * k + p] == (float)(code - point) * scale[at], "blocks");
            }
        }
        const size_t channels = pick(1, 4), inner = pick(1, 30), total = 2 * channels * inner;
        float *in = randoms(total, -3000, 3000), *steps = randoms(channels, 0.01f, 1), *back = blanks(total);
        uint16_t *codes = raw(total * 2), z[4];
        for (int i = 0; i < 4; i++) z[i] = (uint16_t)rnd();
        const bool is_signed = rnd() % 2;
        ck_quantize_i16(codes, is_signed, in, steps, z, channels, inner, 0, 2 * channels);
        ck_dequantize_i16(back, codes, is_signed, steps, z, channels, inner, 0, 2 * channels);
        for (size_t i = 0; i < total; i++) {
            const size_t c = i / inner % channels;
            const double point = is_signed ? (int16_t)z[c] : z[c], code = is_signed ? (int16_t)codes[i] : codes[i];
            const double want = nearbyintf(in[i] / steps[c]) + point;
            expect(code == (is_signed ? fmin(32767, fmax(-32768, want)) : fmin(65535, fmax(0, want))), "quantize 16 bits");
            expect(back[i] == (float)(code - point) * steps[c], "dequantize 16 bits");
        }
        free(q), free(points), free(scale), free(zero), free(out), free(in), free(steps), free(back), free(codes);
    }
}

static void check_integer(void) {
    check_whole_products();
    check_eight_bits();
    check_blocks();
}
