// Products and convolutions of 8-bit numbers in every kernel that this CPU has: sums exact, what becomes of them bit by bit.

/// A product's data: sums as they should be, and all that is done with them.
typedef struct int8_case {
    size_t m, n, k;
    int64_t *sums;  ///< of (a - a_zero) * (b - b_zero)
    ck_int8_result to;
    int32_t *add, *b_zero, *bias_int;
    float *scale, *bias;
    void *residual, *out;
} int8_case;

static void fill_int8_case(int8_case *c) {
    const size_t n = c->n, ldc = n + pick(0, 3), pitch = n + pick(0, 2);
    static const ck_activation acts[] = {{CK_UNARY_NONE, 0, 0}, {CK_UNARY_RELU, 0, 0}, {CK_UNARY_CLIP, -1, 6}, {CK_UNARY_LEAKY_RELU, 0.1f, 0},
                                         {CK_UNARY_HARD_SWISH, 0, 0}, {CK_UNARY_HARD_SIGMOID, 0.2f, 0.5f}, {CK_UNARY_SIGMOID, 0, 0},
                                         {CK_UNARY_ELU, 1, 0}, {CK_UNARY_GELU, 0, 0}};
    const int32_t type = (int32_t)pick(CK_INT8_INT32, CK_INT8_INT8);
    const int32_t residual = type == CK_INT8_INT32 ? CK_INT8_NONE : (int32_t)pick(CK_INT8_FLOAT, CK_INT8_NONE);
    c->scale = randoms(n, 0.00005f, 0.0005f), c->bias = randoms(n, -2, 2);
    c->residual = residual == CK_INT8_FLOAT ? (void *)randoms(c->m * pitch, -3, 3) : (void *)bytes(c->m * pitch);
    c->out = raw(c->m * ldc * 4);
    c->to = (ck_int8_result){.c = c->out, .ldc = ldc, .type = type, .scale = c->scale, .bias = rnd() % 4 ? c->bias : NULL, .residual = c->residual,
                             .residual_stride = pitch, .residual_type = residual, .residual_scale = 0.03f,
                             .residual_zero = (int32_t)pick(0, 200) - 100,
                             .act = acts[type == CK_INT8_INT32 ? 0 : pick(0, sizeof acts / sizeof *acts - 1)], .inverse = 1 / 0.021f};
    c->to.zero = type == CK_INT8_INT8 ? (int32_t)pick(0, 255) - 128 : (int32_t)pick(0, 255);
    c->add = raw(n * 4), c->b_zero = raw(n * 4), c->bias_int = raw(n * 4);
    for (size_t j = 0; j < n; j++) c->b_zero[j] = (int32_t)(rnd() % 256) - 128, c->bias_int[j] = (int32_t)(rnd() % 2000) - 1000;
    if (n > 1 && rnd() % 2) c->bias[n / 2] = NAN;
    if (residual == CK_INT8_FLOAT) {
        static const float odd[] = {NAN, INFINITY, -INFINITY};
        for (size_t i = 0; i < 3; i++) ((float *)c->residual)[rnd() % (c->m * pitch)] = odd[i];
    }
}

static float activated(ck_activation act, float x) {
    volatile float y = 0;
    switch (act.op) {
    case CK_UNARY_RELU: return x < 0 ? 0 : x;
    case CK_UNARY_CLIP: return x < act.p0 ? act.p0 : x > act.p1 ? act.p1 : x;
    case CK_UNARY_LEAKY_RELU: y = x * act.p0; return x < 0 ? y : x;
    case CK_UNARY_HARD_SIGMOID: y = act.p0 * x; y = y + act.p1; return y < 0 ? 0 : y > 1 ? 1 : y;
    case CK_UNARY_HARD_SWISH: y = x / 6; y = y + 0.5f; y = y < 0 ? 0 : y > 1 ? 1 : y; return x * y;
    default: return (float)unary_ref(act.op, x, act.p0, act.p1);
    }
}

static void check_int8_results(const int8_case *c) {
    const ck_int8_result *to = &c->to;
    const bool is_exact = to->act.op != CK_UNARY_SIGMOID && to->act.op != CK_UNARY_ELU && to->act.op != CK_UNARY_GELU;
    for (size_t i = 0; i < c->m; i++) {
        for (size_t j = 0; j < c->n; j++) {
            const size_t at = i * to->ldc + j, z_at = i * to->residual_stride + j;
            const int32_t s = (int32_t)(uint32_t)(uint64_t)(c->sums[i * c->n + j] + c->bias_int[j]);
            if (to->type == CK_INT8_INT32) {
                expect(((int32_t *)to->c)[at] == s, "int8 sums");
                continue;
            }
            volatile float x = (float)s * to->scale[j];
            if (to->bias) x = x + to->bias[j];
            if (to->residual_type == CK_INT8_FLOAT) x = x + ((const float *)to->residual)[z_at];
            if (to->residual_type == CK_INT8_UINT8 || to->residual_type == CK_INT8_INT8) {
                volatile float z = (float)(eight(to->residual, z_at, to->residual_type == CK_INT8_INT8) - to->residual_zero);
                z = z * to->residual_scale;
                x = x + z;
            }
            x = activated(to->act, x);
            if (to->type == CK_INT8_FLOAT) {
                const float y = ((float *)to->c)[at];
                expect(y == x || (y != y && x != x) || (!is_exact && fabsf(y - x) <= 2e-6f * fmaxf(1, fabsf(x))), "int8 as float");
                continue;
            }
            const bool is_signed = to->type == CK_INT8_INT8;
            volatile float q = x * to->inverse;
            const double want = x != x ? to->zero : clamp8(nearbyintf(q) + to->zero, is_signed), got = eight(to->c, at, is_signed);
            // Inexact activations may fall on the other side of a half, no further.
            const double real = fmin(fmax((double)q + to->zero, is_signed ? -128 : 0), is_signed ? 127 : 255);
            expect(is_exact || x != x ? got == want : fabs(got - real) <= 0.501, "int8 in 8 bits");
        }
    }
}

static void free_int8_case(int8_case *c) {
    free(c->sums), free(c->add), free(c->b_zero), free(c->bias_int), free(c->scale), free(c->bias), free(c->residual), free(c->out);
}

static void check_int8_product(void) {
    const bool as = rnd() % 2, bs = rnd() % 2, tb = rnd() % 2, has_zeros = !bs || rnd() % 2;
    int8_case c = {.m = pick(1, rnd() % 4 ? 70 : 5), .n = pick(1, 100), .k = pick(1, rnd() % 2 ? 90 : 400)};
    if (rnd() % 3 == 0) c.k = (c.k + 63) / 64 * 64;
    const size_t m = c.m, n = c.n, k = c.k, lda = k + (rnd() % 3 ? 0 : pick(0, 70));
    fill_int8_case(&c);
    uint8_t *a = bytes((m - 1) * lda + k), *b = bytes(k * n);
    if (rnd() % 4 == 0) memset(a, as ? 0x80 : 255, (m - 1) * lda + k), memset(b, bs ? 0x80 : 255, k * n);
    const int32_t a_zero = (int32_t)(rnd() % 256) - (as ? 128 : 0);
    ck_int8_weights w = ck_int8_matrix(k, n);
    void *packed = raw(ck_int8_packed_bytes(&w));
    ck_int8_pack(packed, &w, b, bs, tb ? 1 : (ptrdiff_t)n, tb ? (ptrdiff_t)k : 1);
    w.packed = packed;
    ck_int8_corrections(c.add, &w, k, a_zero, has_zeros ? c.b_zero : NULL, c.bias_int);
    c.to.add = c.add, c.to.b_zero = has_zeros ? c.b_zero : NULL;
    c.sums = raw(m * n * sizeof *c.sums);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            const int32_t b_zero = (bs ? 0 : 128) + (has_zeros ? c.b_zero[j] : 0);
            int64_t sum = 0;
            for (size_t p = 0; p < k; p++) sum += (eight(a, i * lda + p, as) - a_zero) * (eight(b, tb ? j * k + p : p * n + j, bs) - b_zero);
            c.sums[i * n + j] = sum;
        }
    }
    const ck_int8_rows rows = {a, lda, m, k, as};
    const size_t row = pick(0, m), cut = pick(0, n / 32) * 32;
    void *scratch = raw(ck_int8_gemm_scratch_bytes(k));
    ck_int8_gemm(&c.to, &rows, &w, 0, row, 0, n, scratch);
    ck_int8_gemm(&c.to, &rows, &w, row, m, 0, cut, scratch);
    ck_int8_gemm(&c.to, &rows, &w, row, m, cut, n, scratch);
    check_int8_results(&c);
    free_int8_case(&c);
    free(a), free(b), free(packed), free(scratch);
}

static void check_int8_convolution(void) {
    const ck_window w = random_window(rnd() % 8 ? 2 : 3);
    const bool xs = rnd() % 2, ws = rnd() % 2, has_zeros = !ws || rnd() % 2;
    const size_t channels = rnd() % 2 ? 64 * pick(1, 2) : pick(1, 20), pitch = channels + (rnd() % 3 ? 0 : pick(0, 5));
    const size_t ni = product3(w.in), no = product3(w.out), taps = product3(w.kernel), batch = pick(1, 2);
    int8_case c = {.m = batch * no, .n = pick(1, 70), .k = taps * channels};
    fill_int8_case(&c);
    const size_t n = c.n, size = (batch * ni - 1) * pitch + channels;
    uint8_t *in = bytes(size), *filters = bytes(n * c.k);
    float *places = blanks(ni);
    const int32_t x_zero = (int32_t)(rnd() % 256) - (xs ? 128 : 0);
    ck_int8_weights f = ck_int8_filters(&w, channels, pitch, n);
    void *packed = raw(ck_int8_packed_bytes(&f));
    ck_int8_pack_filters(packed, &f, filters, ws, channels, &w);
    f.packed = packed;
    ck_int8_corrections(c.add, &f, c.k, x_zero, has_zeros ? c.b_zero : NULL, c.bias_int);
    c.to.add = c.add, c.to.b_zero = has_zeros ? c.b_zero : NULL;
    c.sums = raw(c.m * n * sizeof *c.sums);
    for (size_t row = 0; row < c.m; row++) {
        for (size_t j = 0; j < n; j++) {
            const int32_t w_zero = (ws ? 0 : 128) + (has_zeros ? c.b_zero[j] : 0);
            int64_t sum = 0;
            for (size_t tap = 0; tap < taps; tap++) {
                const float *at = under(&w, places, (ptrdiff_t)(row % no), (ptrdiff_t)tap);
                if (!at) continue;
                const size_t x = (row / no * ni + (size_t)(at - places)) * pitch;
                for (size_t e = 0; e < channels; e++)
                    sum += (eight(in, x + e, xs) - x_zero) * (eight(filters, (j * channels + e) * taps + tap, ws) - w_zero);
            }
            c.sums[row * n + j] = sum;
        }
    }
    const ck_int8_image image = {in, pitch, channels, ni * pitch, xs, (uint8_t)x_zero, w};
    const size_t mid = pick(0, c.m), cut = n / 64 * 32;
    for (int part = 0; part < 4; part++) {
        const size_t begin = part & 1 ? mid : 0, end = part & 1 ? c.m : mid;
        void *scratch = raw(ck_int8_conv_scratch_bytes(&w, channels, pitch, end - begin));
        ck_int8_conv(&c.to, &image, &f, begin, end, part & 2 ? cut : 0, part & 2 ? n : cut, scratch);
        free(scratch);
    }
    check_int8_results(&c);
    free_int8_case(&c);
    free(in), free(filters), free(packed), free(places);
}

static void check_int8_depthwise(void) {
    ck_window w = random_window(2);
    if (rnd() % 2) w.dilation[1] = w.dilation[2] = 1;
    const bool xs = rnd() % 2, ws = rnd() % 2, has_zeros = rnd() % 2;
    if (!ck_int8_is_depthwise(&w)) return;
    const size_t ni = product3(w.in), no = product3(w.out), taps = product3(w.kernel), batch = pick(1, 2);
    int8_case c = {.m = batch * no, .n = pick(1, 150), .k = taps};
    fill_int8_case(&c);
    const size_t n = c.n, pitch = n + (rnd() % 3 ? 0 : pick(0, 5)), size = (batch * ni - 1) * pitch + n;
    uint8_t *in = bytes(size), *filters = bytes(n * taps);
    float *places = blanks(ni);
    if (rnd() % 2) for (size_t j = 0; j < n; j++) c.b_zero[j] = 0;
    if (rnd() % 4 == 0) memset(in, xs ? 0x80 : 255, size), memset(filters, ws ? 0x80 : 255, n * taps);
    const int32_t x_zero = (int32_t)(rnd() % 256) - (xs ? 128 : 0);
    ck_int8_weights f = ck_int8_depthwise_filters(&w, n);
    void *packed = raw(ck_int8_packed_bytes(&f));
    ck_int8_pack_depthwise(packed, &f, filters, ws, has_zeros ? c.b_zero : NULL, &w);
    f.packed = packed;
    ck_int8_corrections(c.add, &f, taps, x_zero, has_zeros ? c.b_zero : NULL, c.bias_int);
    c.to.add = c.add, c.to.b_zero = has_zeros ? c.b_zero : NULL;
    c.sums = raw(c.m * n * sizeof *c.sums);
    for (size_t row = 0; row < c.m; row++) {
        for (size_t j = 0; j < n; j++) {
            const int32_t w_zero = (ws ? 0 : 128) + (has_zeros ? c.b_zero[j] : 0);
            int64_t sum = 0;
            for (size_t tap = 0; tap < taps; tap++) {
                const float *at = under(&w, places, (ptrdiff_t)(row % no), (ptrdiff_t)tap);
                if (!at) continue;
                const size_t x = (row / no * ni + (size_t)(at - places)) * pitch + j;
                sum += (eight(in, x, xs) - x_zero) * (eight(filters, j * taps + tap, ws) - w_zero);
            }
            c.sums[row * n + j] = sum;
        }
    }
    const ck_int8_image image = {in, pitch, 1, ni * pitch, xs, (uint8_t)x_zero, w};
    const size_t lines = batch * (size_t)w.out[1], mid = pick(0, lines);
    void *scratch = raw(ck_int8_depthwise_scratch_bytes(&w));
    ck_int8_depthwise(&c.to, &image, &f, 0, mid, scratch);
    ck_int8_depthwise(&c.to, &image, &f, mid, lines, scratch);
    check_int8_results(&c);
    free_int8_case(&c);
    free(in), free(filters), free(packed), free(places), free(scratch);
}

static void check_int8(void) {
    for (int32_t kernel = CK_INT8_AMX; kernel >= 0; kernel--) {
        if (ck_int8_select(kernel) != kernel) continue;
        const int before = failures;
        for (int round = 0; round < 400; round++) check_int8_product();
        for (int round = 0; round < 150; round++) check_int8_convolution();
        for (int round = 0; round < 300; round++) check_int8_depthwise();
        printf("%-8s int8 products, %s%s\n", ck_isa_name(), ck_int8_name(), failures == before ? "" : "  FAILED");
    }
    ck_int8_select(-1);
}
