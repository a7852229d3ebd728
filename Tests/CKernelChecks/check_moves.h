// transpose, strided copies, gather, conversions.

static void check_transpose(void) {
    tally t = {"transpose, strided copies", 0, 0, 0};
    static const size_t widths[] = {1, 2, 4, 8, 16};
    for (int round = 0; round < 1500; round++) {
        const size_t rank = pick(0, 5), width = widths[rnd() % 5];
        size_t dims[8], perm[8], shape[8], total = 1;
        for (size_t d = 0; d < rank; d++) total *= dims[d] = pick(1, rank > 3 ? 6 : 40), perm[d] = d;
        for (size_t d = rank; d-- > 1;) {
            const size_t o = pick(0, d), x = perm[d];
            perm[d] = perm[o], perm[o] = x;
        }
        uint8_t *in = raw(total * width), *out = raw(total * width), *copy = raw(total * width), *back = raw(total * width);
        for (size_t i = 0; i < total * width; i++) in[i] = (uint8_t)rnd();
        ptrdiff_t strides[8], s[8], run = 1;
        for (size_t d = rank; d-- > 0; run *= (ptrdiff_t)dims[d]) strides[d] = run;
        for (size_t d = 0; d < rank; d++) shape[d] = dims[perm[d]], s[d] = strides[perm[d]];
        const size_t c0 = pick(0, total), c1 = pick(c0, total), bounds[] = {0, c0, c1, total};
        for (int p = 0; p < 3; p++) {
            ck_transpose(out, in, width, rank, dims, perm, bounds[p], bounds[p + 1]);
            ck_copy_from_strided(copy, in, width, rank, shape, s, bounds[p], bounds[p + 1]);
        }
        for (int p = 0; p < 3; p++) ck_copy_to_strided(back, out, width, rank, shape, s, bounds[p], bounds[p + 1]);
        bool ok = !memcmp(out, copy, total * width) && !memcmp(back, in, total * width);
        for (size_t e = 0; e < total; e++) {
            size_t rest = e, from = 0;
            for (size_t d = rank; d-- > 0; rest /= shape[d]) from += rest % shape[d] * (size_t)s[d];
            ok = ok && !memcmp(out + e * width, in + from * width, width);
        }
        compare(&t, !ok, 0, 1);
        free(in), free(out), free(copy), free(back);
    }
    float x[6] = {0}, v = 3;  // every second element, reversed: to and from strides that are not whole rows
    const size_t dims[] = {3};
    const ptrdiff_t two[] = {2}, minus[] = {-2};
    ck_fill_strided(x + 1, &v, 4, 1, dims, two, 0, 3);
    expect(x[0] == 0 && x[1] == 3 && x[4] == 0 && x[5] == 3, "fill strided");
    float y[6] = {0, 1, 2, 3, 4, 5}, z[3];
    ck_copy_from_strided(z, y + 5, 4, 1, dims, minus, 0, 3);
    expect(z[0] == 5 && z[1] == 3 && z[2] == 1, "reversed copy");
    report(&t);
}

static void check_gather(void) {
    tally t = {"gather", 0, 0, 0};
    for (int round = 0; round < 400; round++) {
        const size_t outer = pick(1, 3), extent = pick(1, 9), n = pick(1, 12), bytes = pick(1, 20), rows = outer * n;
        uint8_t *data = raw(outer * extent * bytes), *a = raw(rows * bytes), *b = raw(rows * bytes);
        int64_t *i64 = raw(n * 8);
        int32_t *i32 = raw(n * 4);
        for (size_t i = 0; i < outer * extent * bytes; i++) data[i] = (uint8_t)rnd();
        for (size_t i = 0; i < n; i++) i32[i] = (int32_t)(i64[i] = (int64_t)pick(0, 2 * extent - 1) - (int64_t)extent);
        expect(ck_gather_check_i64(i64, n, (int64_t)extent) == n && ck_gather_check_i32(i32, n, (int64_t)extent) == n, "gather check");
        ck_gather_rows_i64(a, data, i64, n, extent, bytes, 0, rows);
        ck_gather_rows_i32(b, data, i32, n, extent, bytes, 0, rows);
        for (size_t r = 0; r < rows; r++) {
            const size_t at = r / n * extent + (size_t)(i64[r % n] < 0 ? i64[r % n] + (int64_t)extent : i64[r % n]);
            compare(&t, !!memcmp(a + r * bytes, data + at * bytes, bytes) + !!memcmp(b + r * bytes, data + at * bytes, bytes), 0, 1);
        }
        i64[n - 1] = (int64_t)extent;
        i32[0] = -(int32_t)extent - 1;
        expect(ck_gather_check_i64(i64, n, (int64_t)extent) == n - 1 && ck_gather_check_i32(i32, n, (int64_t)extent) == 0, "gather check finds");
        const size_t inner = pick(1, 5), total = outer * n * inner;
        float *src = randoms(outer * extent * inner, -1, 1), *dst = blanks(total);
        int64_t *each = raw(total * 8);
        for (size_t i = 0; i < total; i++) each[i] = (int64_t)pick(0, 2 * extent - 1) - (int64_t)extent;
        ck_gather_elements_i64(dst, src, each, n, extent, inner, 4, 0, total);
        for (size_t i = 0; i < total; i++) {
            const size_t r = (size_t)(each[i] < 0 ? each[i] + (int64_t)extent : each[i]);
            compare(&t, dst[i], src[(i / inner / n * extent + r) * inner + i % inner], 1);
        }
        free(data), free(a), free(b), free(i64), free(i32), free(src), free(dst), free(each);
    }
    report(&t);
}

static double half_value(uint16_t h) {
    const int e = h >> 10 & 31, f = h & 1023;
    const double m = e == 31 ? (f ? NAN : INFINITY) : e ? ldexp(1024 + f, e - 25) : ldexp(f, -24);
    return h & 0x8000 ? -m : m;
}

static void check_convert(void) {
    tally t = {"convert", 0, 0, 0};
    static uint16_t h[65536], back[65536];
    static float f[65536], near[65536];
    for (int i = 0; i < 65536; i++) h[i] = (uint16_t)i;
    ck_f16_to_f32(f, h, 65536);
    ck_f32_to_f16(back, f, 65536);
    for (int i = 0; i < 65536; i++) {
        compare(&t, f[i], half_value(h[i]), 1);
        if (!isnan(f[i])) compare(&t, back[i], h[i], 1);
        if (isnan(f[i])) expect(isnan(half_value(back[i])), "f16 NaN");
    }
    for (int i = 0; i < 65536; i++) {  // halfway between neighbours, and just beside
        const float g = (float)half_value((uint16_t)(i & 0x7fff ? i - 1 : i));
        near[i] = isfinite(f[i]) && isfinite(g) ? (f[i] + g) / 2 : f[i];
        if (rnd() % 3 == 0) near[i] = nextafterf(near[i], rnd() % 2 ? 1e9f : -1e9f);
    }
    near[0] = 65519.9f, near[1] = 65520, near[2] = 1e10f, near[3] = -1e-10f, near[4] = 2.98e-8f, near[5] = 2.99e-8f;
    for (size_t n = 65536 - 19; n <= 65536; n += 19) ck_f32_to_f16(back, near, n);
    for (int i = 0; i < 65536; i++) {
        if (isnan(near[i])) continue;
        const double x = fabs((double)near[i]);
        int e;
        frexp(x, &e);
        const double step = ldexp(1, e - 11 < -24 ? -24 : e - 11);
        double want = nearbyint(x / step) * step;
        if (want >= 65520) want = INFINITY;
        compare(&t, half_value(back[i]), signbit(near[i]) ? -want : want, 1);
    }
    ck_bf16_to_f32(f, h, 65536);
    ck_f32_to_bf16(back, f, 65536);
    for (int i = 0; i < 65536; i++) {
        if (!isnan(f[i])) compare(&t, back[i], h[i], 1);
        if (isnan(f[i])) expect((back[i] & 0x7fff) > 0x7f80, "bf16 NaN");
    }
    const float ties[] = {1.00390625f, 1.01171875f, 3.4e38f, -3.4e38f};
    ck_f32_to_bf16(back, ties, 4);
    expect(back[0] == 0x3f80 && back[1] == 0x3f82 && back[2] == 0x7f80 && back[3] == 0xff80, "bf16 ties and overflow");
    float x[53];
    static const float edges[] = {NAN, INFINITY, -INFINITY, 3e9f, -3e9f, 1e20f, -1e20f, 255.9f, 256, -0.9f, -128.5f, 127.9f, 2147483520.0f, 65535.5f, 1.9f, -1.9f};
    int32_t i32[53];
    int64_t i64[53];
    int16_t i16[53];
    int8_t i8[53];
    uint8_t u8[53], bl[53];
    uint16_t u16[53];
    uint32_t u32[53];
    uint64_t u64[53];
    double f64[53];
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < 53; i++) x[i] = rnd() % 2 ? edges[rnd() % 16] : uniform(-300, 300);
        const size_t n = pick(1, 53);
        ck_f32_to_i32(i32, x, n), ck_f32_to_i64(i64, x, n), ck_f32_to_i16(i16, x, n), ck_f32_to_i8(i8, x, n);
        ck_f32_to_u8(u8, x, n), ck_f32_to_u16(u16, x, n), ck_f32_to_u32(u32, x, n), ck_f32_to_u64(u64, x, n);
        ck_f32_to_bool(bl, x, n), ck_f32_to_f64(f64, x, n);
#define LIMITED(lo, hi) (isnan(x[i]) ? 0 : fmin(hi, fmax(lo, trunc((double)x[i]))))
        for (size_t i = 0; i < n; i++) {
            compare(&t, i32[i], LIMITED(-0x1p31, 0x1p31 - 1), 1);
            compare(&t, (double)i64[i], LIMITED(-0x1p63, 0x1p63), 1);
            compare(&t, i16[i], LIMITED(-32768, 32767), 1);
            compare(&t, i8[i], LIMITED(-128, 127), 1);
            compare(&t, u8[i], LIMITED(0, 255), 1);
            compare(&t, u16[i], LIMITED(0, 65535), 1);
            compare(&t, u32[i], LIMITED(0, 0x1p32 - 1), 1);
            compare(&t, (double)u64[i], LIMITED(0, 0x1p64), 1);
            compare(&t, bl[i], x[i] != 0, 1);
            compare(&t, f64[i], x[i], 1);
            i64[i] = (int64_t)((uint64_t)rnd() << 32 | rnd());
            u32[i] = rnd();
        }
        float g[53];
        ck_i64_to_f32(g, i64, n);
        for (size_t i = 0; i < n; i++) compare(&t, g[i], (float)i64[i], 1);
        ck_u32_to_f32(g, u32, n);
        for (size_t i = 0; i < n; i++) compare(&t, g[i], (float)u32[i], 1);
        ck_i64_to_i32(i32, i64, n);
        for (size_t i = 0; i < n; i++) compare(&t, i32[i], (int32_t)i64[i], 1);
        ck_u8_to_f32(g, u8, n);
        for (size_t i = 0; i < n; i++) compare(&t, g[i], u8[i], 1);
    }
    report(&t);
}
