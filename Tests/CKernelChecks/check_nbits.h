// Products with weights of few bits against double loops over the dequantized weights.

static uint32_t nbits_at(const uint8_t *p, size_t i, int bits, bool high_first) {
    const size_t per = 8 / (size_t)bits, place = high_first ? per - 1 - i % per : i % per;
    return (uint32_t)p[i / per] >> (place * (size_t)bits) & ((1u << bits) - 1);
}

static void check_nbits(void) {
    tally product = {"few bits", 0, 0x1p-22, 0}, wide = {"few bits, unpacked", 0, 1e-6, 0};
    static const size_t groups[] = {16, 32, 64, 128, 256, 48, 1 << 20};
    static const float book[16] = {-1, -0.7f, -0.5f, -0.4f, -0.3f, -0.2f, -0.1f, 0, 0.08f, 0.16f, 0.25f, 0.34f, 0.44f, 0.56f, 0.72f, 1};
    for (int round = 0; round < 240; round++) {
        const int bits = 2 << rnd() % 3;
        const size_t k = pick(1, 400), n = pick(1, 70), m = pick(1, 11), group = rnd() % 8 ? groups[rnd() % 7] : k;
        const size_t used = (k + group - 1) / group, panels = (n + 15) / 16;
        ck_nbits w = {k, n, bits, (int32_t)(rnd() % 3), group, bits == 4 && rnd() % 3 == 0 ? book : NULL, rnd() % 2};
        const bool sign = rnd() % 2 && !w.book, high = rnd() % 2, column_major = rnd() % 2;
        const size_t wide_k = column_major ? (k + 63) / 64 * 64 : k;
        const size_t code_k = column_major ? 1 : n, code_n = column_major ? wide_k : 1;
        const size_t zero_k = column_major ? 1 : n, zero_n = column_major ? used : 1;
        uint8_t *codes = raw(wide_k * n + 64), *points = raw(used * n + 64);
        for (size_t i = 0; i < wide_k * n + 64; i++) codes[i] = (uint8_t)rnd();
        for (size_t i = 0; i < used * n + 64; i++) points[i] = (uint8_t)rnd();
        float *scales = randoms(used * n, 0.01f, 0.1f), *zeros = randoms(used * n, 0, 1 << bits);
        if (w.has_halves) {
            // Subnormal ones among them.
            for (size_t i = 0; i < used * n; i++) scales[i] = rnd() % 9 ? (float)(1 + rnd() % 2047) * 0x1p-14f : (float)(rnd() % 1024) * 0x1p-24f;
        }
        expect(ck_nbits_are_halves(scales, used * n) == w.has_halves || used * n < 4, "few bits: which scales are halves");
        ck_nbits_source from = {codes, code_k, code_n, sign, high, scales, zero_k, zero_n, NULL, zero_k, zero_n, bits};
        if (w.zeros) from.zero_points = w.zeros == CK_NBITS_INT8_ZEROS ? (void *)points : (void *)zeros;
        uint8_t *packed = aligned_alloc(64, ck_nbits_packed_bytes(&w));
        const size_t cut = pick(0, panels);
        ck_nbits_pack(packed, &w, &from, 0, cut);
        ck_nbits_pack(packed, &w, &from, cut, panels);
        float *a = randoms(m * k, -2, 2), *bias = randoms(n, -1, 1), *y = blanks(m * n), *again = blanks(m * n);
        if (rnd() % 3 == 0) a[pick(0, m * k - 1)] = 1000;
        if (rnd() % 5 == 0) for (size_t i = 0; i < k; i++) a[i] *= 0x1p-120f;
        uint8_t *rows = aligned_alloc(64, m * ck_nbits_row_bytes(&w));
        const size_t row = pick(0, m), split = pick(0, panels);
        ck_nbits_rows(rows, &w, a, k, 0, row);
        ck_nbits_rows(rows, &w, a, k, row, m);
        ck_nbits_run(&w, packed, rows, y, n, bias, 0, m, 0, panels);
        ck_nbits_run(&w, packed, rows, again, n, bias, 0, row, 0, panels);
        ck_nbits_run(&w, packed, rows, again, n, bias, row, m, 0, split);
        ck_nbits_run(&w, packed, rows, again, n, bias, row, m, split, panels);
        expect(memcmp(y, again, m * n * 4) == 0, "few bits: the split changes the result");
        const size_t nr = rnd() % 2 ? ck_gemm_nr() : panels * 16, columns = (panels * 16 + nr - 1) / nr * nr;
        float *unpacked = blanks(k * columns);
        ck_nbits_unpack(unpacked, nr, &w, packed, 0, panels);
        double *dense = raw(k * n * sizeof *dense);
        const int middle = sign ? 0 : 1 << (bits - 1);
        for (size_t p = 0; p < k; p++) {
            for (size_t j = 0; j < n; j++) {
                const size_t g = p / group;
                int code = (int)nbits_at(codes, p * code_k + j * code_n, bits, high), zero = (int)nbits_at(points, g * zero_k + j * zero_n, bits, high);
                if (sign && code >> (bits - 1)) code -= 1 << bits;
                if (sign && zero >> (bits - 1)) zero -= 1 << bits;
                const double value = w.book ? book[code] : code - middle;
                const double point = w.zeros == CK_NBITS_INT8_ZEROS ? zero - middle : w.zeros ? zeros[g * zero_k + j * zero_n] - (float)middle : 0;
                dense[p * n + j] = (value - point) * scales[g * zero_k + j * zero_n];
                compare(&wide, unpacked[j / nr * k * nr + p * nr + j % nr], dense[p * n + j], fmax(1, fabs(dense[p * n + j])));
            }
        }
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++) {
                double sum = bias[j], all = fabs(bias[j]);
                for (size_t p = 0; p < k; p++) {
                    const size_t g = p / group;
                    const double point = w.zeros == CK_NBITS_INT8_ZEROS ? 1 << bits : w.zeros ? 1 << bits : 0;
                    sum += a[i * k + p] * dense[p * n + j];
                    double most = 0;  // of the block, which is at most 64 long
                    for (size_t q = p / 64 * 64; q < k && q < p / 64 * 64 + 64; q++) most = fmax(most, fabs(a[i * k + q]));
                    all += most * (fabs(dense[p * n + j]) + point * scales[g * zero_k + j * zero_n]);
                }
                compare(&product, y[i * n + j], sum, all);
            }
        }
        a[pick(0, k - 1)] = rnd() % 2 ? NAN : INFINITY;
        ck_nbits_rows(rows, &w, a, k, 0, m);
        ck_nbits_run(&w, packed, rows, y, n, NULL, 0, m, 0, panels);
        for (size_t j = 0; j < n; j++) expect(!isfinite(y[j]), "few bits: a NaN is lost");
        free(codes), free(points), free(scales), free(zeros), free(packed), free(a), free(bias), free(y), free(again), free(rows);
        free(unpacked), free(dense);
    }
    report(&product), report(&wide);
}
