// gemm, contractions, attention, quantization, BLAS.

static void check_blas(void) {
    tally t = {"BLAS wrappers", 0, 1e-5, 0};
    const int64_t m = 7, n = 9, k = 11;
    float *a = randoms(77, -1, 1), *b = randoms(99, -1, 1), *c = blanks(63), *y = blanks(7);
    double da[77], db[99], dc[63];
    for (int i = 0; i < 77; i++) da[i] = a[i];
    for (int i = 0; i < 99; i++) db[i] = b[i];
    cameo_sgemm(0, 1, m, n, k, 1, a, k, b, k, 0, c, n);
    cameo_dgemm(0, 1, m, n, k, 1, da, k, db, k, 0, dc, n);
    cameo_sgemv(0, m, k, 1, a, k, b, 0, y);
    for (int i = 0; i < m; i++) {
        for (int j = 0; j < n; j++) {
            double s = 0;
            for (int p = 0; p < k; p++) s += da[i * k + p] * db[j * k + p];
            compare(&t, c[i * n + j], s, 1);
            compare(&t, dc[i * n + j], s, 1);
            if (j == 0) compare(&t, y[i], s, 1);
        }
    }
    free(a), free(b), free(c), free(y);
    report(&t);
}

static void check_gemm(void) {
    tally t = {"gemm, gemv (to sum |ab|)", 0, 2e-6, 0};
    for (int round = 0; round < 500; round++) {
        const size_t m = rnd() % 8 ? pick(1, 40) : pick(150, 200), n = rnd() % 4 ? pick(1, 80) : pick(100, 300);
        const size_t k = rnd() % 6 ? pick(0, 70) : pick(250, 600);
        const bool ta = rnd() % 2, tb = rnd() % 2;
        const size_t lda = (ta ? m : k) + pick(0, 3), ldb = (tb ? k : n) + pick(0, 3), ldc = n + pick(0, 3), ldr = n + 1;
        float *a = randoms((ta ? k : m) * lda, -1, 1), *b = randoms((tb ? n : k) * ldb, -1, 1), *c = randoms(m * ldc, -1, 1);
        float *c0 = raw(m * ldc * 4), *res = randoms(m * ldr, -1, 1), *bc = randoms(n, -1, 1), *br = randoms(m, -1, 1);
        memcpy(c0, c, m * ldc * 4);
        ck_gemm_epilogue e = {.alpha = rnd() % 2 ? 1 : 0.5f, .beta = rnd() % 3 ? 0 : 0.25f};
        if (rnd() % 2) e.bias_col = bc;
        if (rnd() % 2) e.bias_row = br;
        const int residual = (int)(rnd() % 4);  // 1: apart, 2: C itself
        if (residual == 1) e.residual = res, e.residual_stride = ldr;
        if (residual == 2) e.residual = c, e.residual_stride = ldc;
        e.act.op = (int[]){CK_UNARY_NONE, CK_UNARY_RELU, CK_UNARY_CLIP, CK_UNARY_TANH}[rnd() % 4];
        e.act.p0 = -0.5f, e.act.p1 = 0.8f;
        e.act_first = rnd() % 2;
        const bool plain = rnd() % 4 == 0;
        const size_t nr = ck_gemm_nr(), panels = (n + nr - 1) / nr, cut = pick(0, panels), mc = pick(0, m);
        float *packed = raw(ck_gemm_packed_size(k, n) * 4);
        ck_gemm_pack_b(packed, b, tb ? 1 : (ptrdiff_t)ldb, tb ? (ptrdiff_t)ldb : 1, k, n, 0, cut);
        ck_gemm_pack_b(packed, b, tb ? 1 : (ptrdiff_t)ldb, tb ? (ptrdiff_t)ldb : 1, k, n, cut, panels);
        void *scratch = raw(ck_gemm_scratch_bytes(m, ta ? 1 : (ptrdiff_t)lda, ta ? (ptrdiff_t)lda : 1));
        for (int part = 0; part < 4; part++) {
            const size_t n0 = part & 1 ? cut * nr : 0, n1 = part & 1 ? n : (cut * nr < n ? cut * nr : n);
            ck_gemm_packed_f32(c, ldc, a, ta ? 1 : (ptrdiff_t)lda, ta ? (ptrdiff_t)lda : 1, packed, n, k, part & 2 ? mc : 0,
                               part & 2 ? m : mc, n0, n1, plain ? NULL : &e, scratch);
        }
        if (plain || (e.beta == 0 && residual != 2)) {
            float *whole = raw(m * ldc * 4);
            memcpy(whole, c0, m * ldc * 4);
            ck_gemm_packed_f32(whole, ldc, a, ta ? 1 : (ptrdiff_t)lda, ta ? (ptrdiff_t)lda : 1, packed, n, k, 0, m, 0, n, plain ? NULL : &e, scratch);
            expect(!memcmp(whole, c, m * ldc * 4), "gemm depends on the split");
            free(whole);
        }
        float *v = blanks(m), *u = blanks(n);
        if (!ta && k) ck_gemv_rows_f32(v, a, lda, b, k, 0, m);
        if (!tb && k) ck_gemv_cols_f32(u, a, b, ldb, k, 0, n);
        for (size_t i = 0; i < m; i++) {
            double sv = 0, cv = 1e-30;
            for (size_t p = 0; p < k && !ta; p++) sv += (double)a[i * lda + p] * b[p], cv += fabs((double)a[i * lda + p] * b[p]);
            if (!ta && k) compare(&t, v[i], sv, cv);
            for (size_t j = 0; j < n; j++) {
                double s = 0, mag = 1;
                for (size_t p = 0; p < k; p++) {
                    const double x = (double)a[ta ? p * lda + i : i * lda + p] * b[tb ? j * ldb + p : p * ldb + j];
                    s += x, mag += fabs(x);
                }
                const double product = s;
                if (!plain) {
                    const double r = residual == 1 ? res[i * ldr + j] : residual == 2 ? c0[i * ldc + j] : 0;
                    s = s * e.alpha + e.beta * c0[i * ldc + j] + (e.bias_col ? bc[j] : 0) + (e.bias_row ? br[i] : 0);
                    if (!e.act_first) s += r;
                    s = unary_ref(e.act.op, s, e.act.p0, e.act.p1);
                    if (e.act_first) s += r;
                }
                compare(&t, c[i * ldc + j], s, mag);
                if (i == 0 && !tb && !ta && k) compare(&t, u[j], product, mag);
            }
            for (size_t j = n; j < ldc; j++) expect(c[i * ldc + j] == c0[i * ldc + j], "gemm wrote beyond its columns");
        }
        free(a), free(b), free(c), free(c0), free(res), free(bc), free(br), free(packed), free(scratch), free(v), free(u);
    }
    report(&t);
}

/// Columns as stored: narrow and wide ranges, and one of them in parts of which each goes another way.
static void check_gemv_columns(void) {
    tally t = {"gemv, columns (to sum |ab|)", 0, 2e-6, 0};
    for (int round = 0; round < 60; round++) {
        const size_t n = round % 10 == 0 ? pick(16000, 20000) : pick(1, 2000), k = pick(1, 70), ldb = n + pick(0, 40), cut = pick(0, n);
        float *x = randoms(k, -1, 1), *b = randoms((k - 1) * ldb + n, -1, 1), *whole = blanks(n), *parts = blanks(n);
        ck_gemv_cols_f32(whole, x, b, ldb, k, 0, n);
        ck_gemv_cols_f32(parts, x, b, ldb, k, 0, cut);
        ck_gemv_cols_f32(parts, x, b, ldb, k, cut, n);
        for (size_t j = 0; j < n; j++) {
            double sum = 0, scale = 1e-30;
            for (size_t p = 0; p < k; p++) sum += (double)x[p] * b[p * ldb + j], scale += fabs((double)x[p] * b[p * ldb + j]);
            compare(&t, whole[j], sum, scale);
        }
        expect(!memcmp(whole, parts, n * sizeof *whole), "gemv depends on the split");
        free(x), free(b), free(whole), free(parts);
    }
    report(&t);
}

static void check_contract(void) {
    tally t = {"contract, double sums", 0, 1.2e-7, 0}, tf = {"contract f32", 0, 3e-6, 0}, tx = {"contract f64, i32, i64", 0, 1e-13, 0};
    for (int round = 0; round < 200; round++) {
        const size_t m = pick(1, 50), n = pick(1, 150), k = pick(0, 300);
        const bool ta = rnd() % 2, tb = rnd() % 2, tc = rnd() % 2;
        const ptrdiff_t ar = ta ? 1 : (ptrdiff_t)k, ac = ta ? (ptrdiff_t)m : 1, br = tb ? 1 : (ptrdiff_t)n, bc = tb ? (ptrdiff_t)k : 1;
        const ptrdiff_t cr = tc ? 1 : (ptrdiff_t)n, cc = tc ? (ptrdiff_t)m : 1;
        float *a = randoms(m * k, -1, 1), *b = randoms(k * n, -1, 1), *c = blanks(m * n), *f = blanks(m * n);
        double *da = raw(m * k * 8), *db = raw(k * n * 8), *dc = raw(m * n * 8);
        int32_t *ia = raw(m * k * 4), *ib = raw(k * n * 4), *ic = raw(m * n * 4);
        int64_t *la = raw(m * k * 8), *lb = raw(k * n * 8), *lc = raw(m * n * 8);
        for (size_t i = 0; i < m * k; i++) da[i] = a[i], la[i] = ia[i] = (int32_t)(rnd() % 2001) - 1000;
        for (size_t i = 0; i < k * n; i++) db[i] = b[i], lb[i] = ib[i] = (int32_t)(rnd() % 2001) - 1000;
        const size_t cut = pick(0, m);
        for (int part = 0; part < 2; part++) {
            const size_t m0 = part ? cut : 0, m1 = part ? m : cut;
            ck_contract_f32_dacc(c, cr, cc, a, ar, ac, b, br, bc, n, k, m0, m1);
            ck_contract_f32(f, cr, cc, a, ar, ac, b, br, bc, n, k, m0, m1);
            ck_contract_f64(dc, cr, cc, da, ar, ac, db, br, bc, n, k, m0, m1);
            ck_contract_i32(ic, cr, cc, ia, ar, ac, ib, br, bc, n, k, m0, m1);
            ck_contract_i64(lc, cr, cc, la, ar, ac, lb, br, bc, n, k, m0, m1);
        }
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++) {
                double s = 0, mag = 1e-30;
                int64_t is = 0;
                for (size_t p = 0; p < k; p++) {
                    const ptrdiff_t x = (ptrdiff_t)i * ar + (ptrdiff_t)p * ac, y = (ptrdiff_t)p * br + (ptrdiff_t)j * bc;
                    s += da[x] * db[y], mag += fabs(da[x] * db[y]);
                    is += la[x] * lb[y];
                }
                const ptrdiff_t z = (ptrdiff_t)i * cr + (ptrdiff_t)j * cc;
                compare(&t, c[z], s, fmax(fabs(s), 1e-6 * mag));
                compare(&tf, f[z], s, mag);
                compare(&tx, dc[z], s, mag);
                expect(ic[z] == (int32_t)is && lc[z] == is, "integer contraction");
            }
        }
        free(a), free(b), free(c), free(f), free(da), free(db), free(dc), free(ia), free(ib), free(ic), free(la), free(lb), free(lc);
    }
    report(&t);
    report(&tf);
    report(&tx);
}

/// A number of an operand of any type of attention.
static double attention_number(const void *at, ck_attention_type type, size_t i) {
    float x;
    switch (type) {
    case CK_ATTENTION_F16: ck_f16_to_f32(&x, (const uint16_t *)at + i, 1); return x;
    case CK_ATTENTION_BF16: ck_bf16_to_f32(&x, (const uint16_t *)at + i, 1); return x;
    case CK_ATTENTION_BOOL: return ((const uint8_t *)at)[i] ? 0 : -INFINITY;
    default: return ((const float *)at)[i];
    }
}

/// Numbers that bfloat16 holds where `exact`.
static void *attention_operand(size_t n, float low, float high, ck_attention_type type, bool exact) {
    float *x = randoms(n, low, high);
    for (size_t i = 0; exact && i < n; i++) {
        uint16_t half;
        ck_f32_to_bf16(&half, &x[i], 1);
        ck_bf16_to_f32(&x[i], &half, 1);
    }
    if (type == CK_ATTENTION_F32) return x;
    uint16_t *y = raw(n * 2);
    if (type == CK_ATTENTION_F16) ck_f32_to_f16(y, x, n);
    if (type == CK_ATTENTION_BF16) ck_f32_to_bf16(y, x, n);
    free(x);
    return y;
}

typedef struct attention_form {
    const char *name, *narrow_name;
    double limit;
    bool is_bf16;
    size_t (*scratch_bytes)(size_t, size_t);
    void (*rows)(const ck_attention *, size_t, size_t, void *);
    void (*partial)(const ck_attention *, size_t, size_t, size_t, size_t, float *, void *);
} attention_form;

static ck_attention_type attention_type(void) { return rnd() % 4 ? CK_ATTENTION_F32 : rnd() % 2 ? CK_ATTENTION_F16 : CK_ATTENTION_BF16; }
static ck_attention_type attention_type_bf16(void) { return rnd() % 2 ? CK_ATTENTION_F32 : rnd() % 30 ? CK_ATTENTION_BF16 : CK_ATTENTION_F16; }

static void check_attention_form(const attention_form *form) {
    tally t = {form->name, 0, form->limit, 0}, tn = {form->narrow_name, 0, form->limit + 6e-3, 0};
    for (int round = 0; round < 300; round++) {
        const size_t sq = rnd() % 3 ? pick(1, 20) : pick(40, 120), past = rnd() % 2 ? pick(0, 110) : 0, group = pick(1, 3);
        const size_t fresh = past && rnd() % 8 == 0 ? 0 : rnd() % 3 ? pick(1, 30) : pick(60, 200), skv = past + fresh;
        const size_t d = rnd() % 20 ? pick(1, 70) : pick(1000, 1100), dv = rnd() % 20 ? pick(1, 70) : pick(1000, 1100);
        ck_attention_type types[4], (*next)(void) = form->is_bf16 ? attention_type_bf16 : attention_type;
        for (int i = 0; i < 4; i++) types[i] = i == 0 || rnd() % 4 == 0 ? next() : types[i - 1];
        const ck_attention_type type = types[3];
        ck_attention p = {.q_row = group * (d + 2), .q_head = d + 2, .q_length = sq, .group = group, .out_row = dv,
                          .out_head = sq * dv, .head_size = d, .v_head_size = dv, .q_type = types[0], .k_type = types[1],
                          .v_type = types[2], .out_type = type, .scale = 1 / sqrtf((float)d), .masked_value = rnd() % 2 ? NAN : 0,
                          .covered = skv - (rnd() % 4 ? 0 : pick(0, skv - 1)), .valid = rnd() % 4 ? skv : pick(0, skv), .left = -1, .right = -1};
        p.part[0] = (ck_attention_keys){.k_row = d, .v_row = dv, .length = past};
        p.part[1] = (ck_attention_keys){.k_row = d + 1, .v_row = dv + 3, .length = fresh};
        void *q = attention_operand(sq * p.q_row, -2, 2, types[0], form->is_bf16);
        void *k[2], *v[2];
        for (int i = 0; i < 2; i++) {
            p.part[i].k = k[i] = attention_operand(p.part[i].length * p.part[i].k_row + 1, -2, 2, types[1], form->is_bf16);
            p.part[i].v = v[i] = attention_operand(p.part[i].length * p.part[i].v_row + 1, -2, 2, types[2], form->is_bf16);
        }
        float *bias = randoms(group * sq * skv, -2, 2);
        uint8_t *mask = raw(group * sq * skv);
        for (size_t i = 0; i < group * sq * skv; i++) {
            mask[i] = rnd() % 3 != 0;
            if (rnd() % 5 == 0) bias[i] = rnd() % 2 ? -INFINITY : -3.4028235e38f;
        }
        if (rnd() % 3 == 0) memset(mask, 0, skv);
        // A left-padded batch: whole tiles that nobody sees.
        if (rnd() % 3 == 0) for (size_t i = 0; i < group * sq; i++) for (size_t j = 0; j < skv / 2; j++) bias[i * skv + j] = round % 2 ? -INFINITY : -3.4028235e38f;
        p.q = q;
        if (rnd() % 3 == 0) p.softcap = 2;
        const int masked = (int)(rnd() % 3);
        if (masked == 1) p.mask = bias, p.mask_type = CK_ATTENTION_F32;
        if (masked == 2) p.mask = mask, p.mask_type = CK_ATTENTION_BOOL;
        if (rnd() % 2) p.mask_row = p.covered;
        if (rnd() % 2) p.mask_head = p.mask_row ? p.covered * sq : p.covered;
        p.offset = rnd() % 2 ? (ptrdiff_t)past : (ptrdiff_t)p.valid - (ptrdiff_t)sq;
        if (rnd() % 2) p.right = rnd() % 2 ? 0 : (ptrdiff_t)pick(0, 20);
        if (rnd() % 3 == 0) p.left = (ptrdiff_t)pick(0, 20);
        const size_t rows = sq * group, wide = type == CK_ATTENTION_F32 ? 4 : 2, bytes = rows * dv * wide;
        void *scratch = raw(form->scratch_bytes(d, dv)), *out = raw(bytes), *whole = raw(bytes);
        const size_t cut = pick(0, rows);
        p.out = out;
        form->rows(&p, 0, cut, scratch);
        form->rows(&p, cut, rows, scratch);
        p.out = whole;
        form->rows(&p, 0, rows, scratch);
        expect(!memcmp(whole, out, bytes), "attention depends on the split");
        const bool split = rnd() % 2;
        if (split) {
            const size_t step = 64, count = (skv + step - 1) / step, stride = rows * (dv + 2);
            float *partial = raw(count * stride * 4);
            for (size_t s = 0; s < count; s++) form->partial(&p, 0, rows, s * step, (s + 1) * step, partial + s * stride, scratch);
            ck_attention_merge(&p, 0, rows, partial, count, stride);
            free(partial);
        }
        double *s = raw(skv * sizeof *s);
        for (size_t r = 0; r < rows; r++) {
            const size_t i = r / group, g = r % group;
            double m = -INFINITY, l = 0;
            for (size_t j = 0; j < skv; j++) {
                const int part = j >= past;
                double x = 0;
                for (size_t e = 0; e < d; e++)
                    x += attention_number(q, types[0], i * p.q_row + g * p.q_head + e) *
                         attention_number(k[part], types[1], (part ? j - past : j) * p.part[part].k_row + e);
                x *= p.scale;
                if (p.softcap > 0) x = p.softcap * tanh(x / p.softcap);
                if (p.mask) x = j < p.covered ? (float)(x + attention_number(p.mask, p.mask_type, i * p.mask_row + g * p.mask_head + j)) : -INFINITY;
                const ptrdiff_t at = (ptrdiff_t)i + p.offset, key = (ptrdiff_t)j;
                if (j >= p.valid || (p.right >= 0 && key > at + p.right) || (p.left >= 0 && key < at - p.left)) x = -INFINITY;
                s[j] = x;
                m = fmax(m, x);
            }
            for (size_t j = 0; j < skv && m > -INFINITY; j++) l += s[j] = exp(s[j] - m);
            for (size_t e = 0; e < dv; e++) {
                double y = 0;
                for (size_t j = 0; j < skv && m > -INFINITY; j++) {
                    const int part = j >= past;
                    if (s[j] > 0) y += s[j] / l * attention_number(v[part], types[2], (part ? j - past : j) * p.part[part].v_row + e);
                }
                const double found = attention_number(whole, type, (g * sq + i) * dv + e);
                compare(type == CK_ATTENTION_F32 ? &t : &tn, (float)found, m > -INFINITY ? y : p.masked_value, 2);
            }
        }
        free(s), free(q), free(bias), free(out), free(whole), free(mask), free(scratch);
        for (int i = 0; i < 2; i++) free(k[i]), free(v[i]);
    }
    report(&t);
    report(&tn);
    for (size_t d = 1; d < 5000; d += d / 3 + 1)
        for (size_t dv = 1; dv < 5000; dv += dv / 3 + 1)
            expect(form->scratch_bytes(d, dv) <= 960 << 10, "attention takes too much scratch");
}

static void check_attention(void) {
    const attention_form wide = {"attention", "attention, narrow result", 3e-6, false, ck_attention_scratch_bytes, ck_attention_rows,
                                 ck_attention_partial};
    check_attention_form(&wide);
    int32_t last = -1;
    for (int32_t kernel = CK_BF16_AMX; kernel >= CK_BF16_WIDENED; kernel--) {
        const int32_t chosen = ck_bf16_select(kernel);
        if (chosen == last) continue;
        last = chosen;
        static const char *const names[][2] = {{"attention bf16, widened", "attention bf16, widened, narrow result"},
                                               {"attention avx512-bf16", "attention avx512-bf16, narrow result"},
                                               {"attention amx-bf16", "attention amx-bf16, narrow result"}};
        // Rounded weights: 2^-9 of the largest |v|.
        const attention_form form = {names[chosen][0], names[chosen][1], chosen == CK_BF16_WIDENED ? 3e-6 : 0x1p-9 + 1e-5, true,
                                     ck_attention_bf16_scratch_bytes, ck_attention_bf16_rows, ck_attention_bf16_partial};
        check_attention_form(&form);
    }
    ck_bf16_select(-1);
}

static void check_quant(void) {
    tally t = {"quantize, dequantize", 0, 1e-6, 0};
    for (int round = 0; round < 300; round++) {
        const size_t channels = pick(1, 4), inner = pick(1, 50), total = 2 * channels * inner;
        float *in = randoms(total, -30, 30), *scale = randoms(channels, 0.01f, 0.3f), *out = blanks(total);
        uint8_t *u = raw(total), zu[4];
        int8_t *s = raw(total), zs[4];
        for (int i = 0; i < 4; i++) zu[i] = (uint8_t)rnd(), zs[i] = (int8_t)rnd();
        if (rnd() % 2) scale[0] = 0.25f;
        in[rnd() % total] = (float[]){INFINITY, -INFINITY, 0.125f, 0.375f, -0.125f}[rnd() % 5];
        ck_quantize_u8(u, in, scale, zu, channels, inner, 0, 2 * channels);
        ck_quantize_s8(s, in, scale, zs, channels, inner, 0, 2 * channels);
        ck_dequantize_u8(out, u, scale, zu, channels, inner, 0, 2 * channels);
        for (size_t i = 0; i < total; i++) {
            const size_t c = i / inner % channels;
            const double r = nearbyint((double)(in[i] / scale[c]));
            expect(u[i] == fmin(255, fmax(0, r + zu[c])), "quantize u8");
            expect(s[i] == fmin(127, fmax(-128, r + zs[c])), "quantize s8");
            compare(&t, out[i], ((double)u[i] - zu[c]) * scale[c], 30);
        }
        const size_t m = pick(1, 9), n = pick(1, 90), k = pick(1, 60);
        uint8_t *a = raw(m * k), *b = raw(k * n), *za = raw(m), *zb = raw(n);
        int32_t *acc = raw(m * n * 4);
        for (size_t i = 0; i < m * k; i++) a[i] = (uint8_t)rnd();
        for (size_t i = 0; i < k * n; i++) b[i] = (uint8_t)rnd();
        for (size_t i = 0; i < m; i++) za[i] = (uint8_t)rnd();
        for (size_t i = 0; i < n; i++) zb[i] = (uint8_t)rnd();
        const bool as = rnd() % 2, bs = rnd() % 2;
        const size_t step = rnd() % 2;
        ck_matmul_int8(acc, n, a, k, as, za, step, b, n, bs, zb, step, n, k, 0, m);
#define V(x, is_signed) ((is_signed) ? (int32_t)(int8_t)(x) : (int32_t)(x))
        for (size_t i = 0; i < m; i++) {
            for (size_t j = 0; j < n; j++) {
                int32_t sum = 0;
                for (size_t q = 0; q < k; q++) sum += (V(a[i * k + q], as) - V(za[i * step], as)) * (V(b[q * n + j], bs) - V(zb[j * step], bs));
                expect(acc[i * n + j] == sum, "matmul int8");
            }
        }
#undef V
        free(in), free(scale), free(out), free(u), free(s), free(a), free(b), free(za), free(zb), free(acc);
    }
    report(&t);
}
