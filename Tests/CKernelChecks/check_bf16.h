// Products of bfloat16, in every kernel that this CPU has.

static float rounded_bf16(float v) {
    uint32_t b;
    memcpy(&b, &v, 4);
    b = (b + 0x7fff + (b >> 16 & 1)) & 0xffff0000;
    memcpy(&v, &b, 4);
    return v;
}

static void check_bf16_product(tally *t) {
    const size_t m = rnd() % 8 ? pick(1, 70) : pick(250, 300), n = pick(1, 100), k = rnd() % 6 ? pick(1, 90) : pick(500, 1300);
    const size_t ldc = n + pick(0, 3), pitch = ck_bf16_pitch(k), depth = (k + 31) / 32 * 32;
    float *a = randoms(m * k, -1, 1), *b = randoms(k * n, -1, 1), *c = randoms(m * ldc, -1, 1), *bias = randoms(n, -1, 1);
    float *old = raw(m * ldc * 4);
    memcpy(old, c, m * ldc * 4);
    uint16_t *rows = raw(m * pitch * 2), *packed = raw(ck_bf16_packed_size(k, n) * 2);
    ck_bf16_rows(rows, pitch, depth, a, (ptrdiff_t)k, 1, k, 0, m / 2);
    ck_bf16_rows(rows, pitch, depth, a, (ptrdiff_t)k, 1, k, m / 2, m);
    const size_t panels = (n + 31) / 32, middle = pick(0, panels);
    ck_bf16_pack_b(packed, b, (ptrdiff_t)n, 1, k, n, 0, middle);
    ck_bf16_pack_b(packed, b, (ptrdiff_t)n, 1, k, n, middle, panels);
    float *turned = raw(k * n * 4);
    uint16_t *again = raw(ck_bf16_packed_size(k, n) * 2);
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < n; j++) turned[j * k + p] = b[p * n + j];
    ck_bf16_pack_b(again, turned, 1, (ptrdiff_t)k, k, n, 0, panels);
    expect(!memcmp(packed, again, ck_bf16_packed_size(k, n) * 2), "a transposed matrix is packed to other bits");
    free(turned), free(again);
    const bool over = rnd() % 3 == 0, plain = rnd() % 4 == 0;
    ck_bf16_result result = {.c = c, .ldc = ldc, .epilogue = {.alpha = 1}};
    if (!plain) result.epilogue = (ck_gemm_epilogue){.alpha = over ? 1 : 0.5f, .bias_col = bias};
    if (!plain && over) result.epilogue.residual = c, result.epilogue.residual_stride = ldc;
    const size_t mid = pick(0, m), cut = n / 64 * 32;
    for (int part = 0; part < 4; part++)
        ck_bf16_gemm(&result, rows, pitch, packed, m, k, part & 1 ? mid : 0, part & 1 ? m : mid, part & 2 ? cut : 0, part & 2 ? n : cut);
    // The same in bfloat16, over a residual in it.
    uint16_t *narrow = raw(m * ldc * 2), *expected = raw(m * ldc * 2);
    ck_bf16_rows(narrow, ldc, n, old, (ptrdiff_t)ldc, 1, n, 0, m);
    ck_bf16_result small = {.c = narrow, .ldc = ldc, .is_bf16 = true, .residual = narrow, .residual_stride = ldc,
                            .epilogue = {.alpha = 0.5f, .bias_col = bias, .act = {CK_UNARY_RELU, 0, 0}}};
    float *sums = raw(m * ldc * 4);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) sums[i * ldc + j] = rounded_bf16(old[i * ldc + j]);
    }
    ck_bf16_result large = small;
    large.c = sums, large.is_bf16 = false, large.residual = NULL;
    large.epilogue.residual = sums, large.epilogue.residual_stride = ldc;
    ck_bf16_gemm(&small, rows, pitch, packed, m, k, 0, m, 0, n);
    ck_bf16_gemm(&large, rows, pitch, packed, m, k, 0, m, 0, n);
    ck_bf16_rows(expected, ldc, n, sums, (ptrdiff_t)ldc, 1, n, 0, m);
    for (size_t i = 0; i < m; i++) expect(!memcmp(narrow + i * ldc, expected + i * ldc, n * 2), "bf16 result differs from the rounded float32 one");
    free(narrow), free(expected), free(sums);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0, scale = 1;
            for (size_t p = 0; p < k; p++) {
                const double x = (double)rounded_bf16(a[i * k + p]) * rounded_bf16(b[p * n + j]);
                sum += x, scale += fabs(x);
            }
            compare(t, c[i * ldc + j], plain ? sum : result.epilogue.alpha * sum + bias[j] + (over ? old[i * ldc + j] : 0), scale);
        }
    }
    free(a), free(b), free(c), free(bias), free(old), free(rows), free(packed);
}

/// Rounded rows of a matrix stored by columns, the first layer's image among them.
static void check_bf16_columns(void) {
    for (int round = 0; round < 100; round++) {
        const size_t k = pick(1, 5), rows = pick(1, 70), width = k + pick(0, 2), begin = pick(0, rows);
        float *a = randoms(k * rows, -1, 1);
        uint16_t *to = raw(rows * width * 2);
        if (rnd() % 2) a[rnd() % (k * rows)] = NAN;
        ck_bf16_rows(to, width, width, a, 1, (ptrdiff_t)rows, k, 0, begin);
        ck_bf16_rows(to, width, width, a, 1, (ptrdiff_t)rows, k, begin, rows);
        for (size_t i = 0; i < rows; i++) {
            for (size_t p = 0; p < width; p++) {
                const float x = p < k ? a[p * rows + i] : 0;
                const uint32_t got = (uint32_t)to[i * width + p] << 16;
                float value;
                memcpy(&value, &got, 4);
                expect(isnan(x) ? isnan(value) : value == rounded_bf16(x), "bf16 rows of columns");
            }
        }
        free(a), free(to);
    }
}

static void check_bf16(void) {
    check_bf16_columns();
    for (int kernel = CK_BF16_AMX; kernel >= 0; kernel--) {
        if (ck_bf16_select(kernel) != kernel) {
            printf("%-8s bf16 kernel %d: not on this CPU in this tier, skipped\n", ck_isa_name(), kernel);
            continue;
        }
        char name[64];
        snprintf(name, sizeof name, "bf16 product, %s", ck_bf16_name());
        tally t = {name, 0, 2e-6, 0};
        for (int round = 0; round < 300; round++) check_bf16_product(&t);
        report(&t);
    }
    ck_bf16_select(-1);
}
