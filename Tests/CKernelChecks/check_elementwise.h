// unary, binary, softmax, norm, reduce, rnn.

static double sig(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static double unary_ref(int op, double x, double p0, double p1) {
    switch (op) {
    case CK_UNARY_NONE: return x;
    case CK_UNARY_NEG: return -x;
    case CK_UNARY_ABS: return fabs(x);
    case CK_UNARY_SQRT: return sqrt(x);
    case CK_UNARY_RSQRT: return 1 / sqrt(x);
    case CK_UNARY_RECIPROCAL: return 1 / x;
    case CK_UNARY_EXP: return exp(x);
    case CK_UNARY_LOG: return log(x);
    case CK_UNARY_SIN: return sin(x);
    case CK_UNARY_COS: return cos(x);
    case CK_UNARY_TAN: return tan(x);
    case CK_UNARY_TANH: return tanh(x);
    case CK_UNARY_SIGMOID: return sig(x);
    case CK_UNARY_ERF: return erf(x);
    case CK_UNARY_RELU: return x < 0 ? 0 : x;
    case CK_UNARY_LEAKY_RELU: return x < 0 ? p0 * x : x;
    case CK_UNARY_ELU: return x < 0 ? p0 * expm1(x) : x;
    case CK_UNARY_CELU: return x < 0 ? p0 * expm1(x / p0) : x;
    case CK_UNARY_SELU: return p1 * (x < 0 ? p0 * expm1(x) : x);
    case CK_UNARY_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case CK_UNARY_SOFTSIGN: return x / (1 + fabs(x));
    case CK_UNARY_HARD_SIGMOID: return x != x ? x : fmin(1, fmax(0, p0 * x + p1));
    case CK_UNARY_HARD_SWISH: return x != x ? x : x * fmin(1, fmax(0, x / 6 + 0.5));
    case CK_UNARY_GELU: return 0.5 * x * (1 + erf(x * 0.70710678118654752));
    case CK_UNARY_GELU_TANH: return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
    case CK_UNARY_SILU: return x * sig(p0 * x);
    case CK_UNARY_MISH: return x * tanh(x > 40 ? x : log1p(exp(x)));
    case CK_UNARY_FLOOR: return floor(x);
    case CK_UNARY_CEIL: return ceil(x);
    case CK_UNARY_ROUND: return nearbyint(x);
    case CK_UNARY_SIGN: return x != x ? x : (x > 0) - (x < 0);
    case CK_UNARY_CLIP: return x != x ? x : x < p0 ? p0 : x > p1 ? p1 : x;
    case CK_UNARY_THRESHOLDED_RELU: return x != x ? x : x > p0 ? x : 0;
    case CK_UNARY_SQUARE: return x * x;
    default: return p0 * x + p1;
    }
}

/// Size of one float step at x.
static double ulp(double x) {
    int e;
    if (x == 0 || !isfinite(x)) return 0x1p-149;
    frexp(x, &e);
    return ldexp(1, e - 24 < -149 ? -149 : e - 24);
}

static void check_unary(void) {
    static const float edges[] = {0.0f, -0.0f, 1, -1, NAN, INFINITY, -INFINITY, 1e-40f, -1e-40f, 1e-30f, -1e-30f, 88.7f, 88.72283f,
                                  88.8f, 89, 100, 1000, -87.3f, -87.4f, -100, -103.5f, -103.9f, -104.1f, -1000, 3.4e38f, -3.4e38f,
                                  0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 0.625f, 0.9277344f, 20, 21, 8388609.0f, 1.17549435e-38f};
    enum { EDGES = sizeof edges / sizeof *edges };
    static const char *const exact_names[] = {"exp", "log", "tanh", "sigmoid", "erf"};
    tally ulps[] = {{"exp (ulp)", 0, 2, 0}, {"log (ulp)", 0, 4, 0}, {"tanh (ulp)", 0, 4, 0}, {"sigmoid (ulp)", 0, 4, 0},
                    {"erf (ulp)", 0, 4, 0}};
    static const int exact_ops[] = {CK_UNARY_EXP, CK_UNARY_LOG, CK_UNARY_TANH, CK_UNARY_SIGMOID, CK_UNARY_ERF};
    tally rest = {"unary, other (relative)", 0, 2e-6, 0};
    (void)exact_names;
    for (int op = 0; op <= CK_UNARY_AFFINE; op++) {
        int which = -1;
        for (int i = 0; i < 5; i++) which = exact_ops[i] == op ? i : which;
        float p0 = 0.3f, p1 = 0.6f;
        if (op == CK_UNARY_SELU) p0 = 1.6732632f, p1 = 1.0507009f;
        if (op == CK_UNARY_SILU) p0 = 1.702f;
        if (op == CK_UNARY_CLIP) p0 = -0.7f, p1 = 1.3f;
        for (size_t n = 0; n <= 70; n += n < 36 ? 1 : 17) {
            for (int round = 0; round < 60; round++) {
                const float range = round < 20 ? 1.5f : round < 40 ? 12 : 110;
                float *in = randoms(n, -range, range), *out = blanks(n);
                for (size_t i = 0; i < n; i++) {
                    if (rnd() % 4 == 0) in[i] = edges[rnd() % EDGES];
                    if (op == CK_UNARY_LOG && rnd() % 2) in[i] = fabsf(in[i]);
                }
                ck_unary_f32(op, out, in, n, p0, p1);
                for (size_t i = 0; i < n; i++) {
                    const double want = (double)(float)unary_ref(op, in[i], p0, p1), real = unary_ref(op, in[i], p0, p1);
                    if (which >= 0) {
                        compare(&ulps[which], out[i], isinf(want) ? want : real, ulp(want));
                    } else if (isnan(want) && isinf(in[i])) {
                        continue;  // inf * 0: any of the usual answers
                    } else if (fabs(in[i]) > 1e30f) {
                        if (op < CK_UNARY_HARD_SWISH && op != CK_UNARY_TAN) compare(&rest, out[i], want, fmax(1, fabs(want)));
                    } else {
                        compare(&rest, out[i], want, fmax(fabs(want), op == CK_UNARY_TAN ? 1e-6 : fmin(1, 1e-6 + fabs(in[i]))));
                    }
                }
                free(in);
                free(out);
            }
        }
    }
    for (int i = 0; i < 5; i++) report(&ulps[i]);
    report(&rest);
}

static double binary_ref(int op, double x, double y) {
    switch (op) {
    case CK_BINARY_ADD: return x + y;
    case CK_BINARY_SUB: return x - y;
    case CK_BINARY_MUL: return x * y;
    case CK_BINARY_DIV: return x / y;
    case CK_BINARY_POW: return pow(x, y);
    case CK_BINARY_MAX: return x != x || y != y ? NAN : fmax(x, y);
    case CK_BINARY_MIN: return x != x || y != y ? NAN : fmin(x, y);
    default: return x < 0 ? x * y : x;
    }
}

static void check_binary(void) {
    tally t = {"binary f32", 0, 3e-7, 0}, ti = {"binary integers and f64", 0, 0, 0};
    for (int round = 0; round < 3000; round++) {
        const size_t rank = pick(0, 5);
        size_t dims[8], total = 1, na = 1, nb = 1;
        ptrdiff_t sa[8], sb[8];
        for (size_t d = 0; d < rank; d++) total *= dims[d] = pick(0, 20) ? pick(1, d == rank - 1 ? 70 : 5) : pick(0, 1);
        for (size_t d = rank; d-- > 0;) {
            const int kind = (int)pick(0, 3);
            sa[d] = kind == 1 ? 0 : (ptrdiff_t)na;
            sb[d] = kind == 2 ? 0 : (ptrdiff_t)nb;
            if (kind != 1) na *= dims[d];
            if (kind != 2) nb *= dims[d];
        }
        const int op = (int)pick(0, 7);
        float *a = randoms(na, -3, 3), *b = randoms(nb, -3, 3), *out = blanks(total);
        int32_t *ia = raw(na * 4), *ib = raw(nb * 4), *io = raw(total * 4);
        int64_t *la = raw(na * 8), *lb = raw(nb * 8), *lo = raw(total * 8);
        for (size_t i = 0; i < na; i++) {
            if (op == CK_BINARY_POW) a[i] = fabsf(a[i]);
            if (rnd() % 50 == 0) a[i] = NAN;
            la[i] = ia[i] = (int32_t)pick(0, 40) - 20;
        }
        for (size_t i = 0; i < nb; i++) {
            if (op == CK_BINARY_POW && rnd() % 2) b[i] = (float[]){0.5f, 1, 2, 3}[rnd() % 4];
            if (rnd() % 50 == 0) b[i] = NAN;
            lb[i] = ib[i] = (int32_t)pick(0, 9) - 4;
        }
        const size_t cut = total ? pick(0, total) : 0;
        const ck_activation act = {rnd() % 2 ? CK_UNARY_RELU : CK_UNARY_NONE, 0, 0};
        ck_binary_f32(op, out, a, b, rank, dims, sa, sb, 0, cut, &act);
        ck_binary_f32(op, out, a, b, rank, dims, sa, sb, cut, total, &act);
        const int iop = op == CK_BINARY_POW || op == CK_BINARY_PRELU ? CK_BINARY_ADD : op;
        ck_binary_i32(iop, io, ia, ib, rank, dims, sa, sb, 0, cut);
        ck_binary_i32(iop, io, ia, ib, rank, dims, sa, sb, cut, total);
        ck_binary_i64(iop, lo, la, lb, rank, dims, sa, sb, 0, total);
        for (size_t e = 0; e < total; e++) {
            size_t rest = e;
            ptrdiff_t oa = 0, ob = 0;
            for (size_t d = rank; d-- > 0; rest /= dims[d]) {
                oa += (ptrdiff_t)(rest % dims[d]) * sa[d];
                ob += (ptrdiff_t)(rest % dims[d]) * sb[d];
            }
            double want = binary_ref(op, a[oa], b[ob]);
            if (act.op == CK_UNARY_RELU && want < 0) want = 0;
            compare(&t, out[e], (float)want, fmax(1e-30, fabs(want)));
            const double w = ib[ob] == 0 && iop == CK_BINARY_DIV ? 0 : trunc(binary_ref(iop, ia[oa], ib[ob]));
            compare(&ti, io[e], w, 1);
            compare(&ti, (double)lo[e], w, 1);
        }
        free(a), free(b), free(out), free(ia), free(ib), free(io), free(la), free(lb), free(lo);
    }
    report(&t);
    report(&ti);
}

static void check_softmax(void) {
    tally t = {"softmax", 0, 1e-6, 0}, tl = {"log softmax", 0, 3e-6, 0};
    for (int round = 0; round < 800; round++) {
        const bool log_form = rnd() % 2, strided = rnd() % 2, use_bias = !strided && rnd() % 2;
        const size_t outer = pick(1, 4), n = pick(1, 90), inner = strided ? pick(1, 40) : 1, total = outer * n * inner;
        const float scale = strided ? 1 : (float[]){1, 0.125f}[rnd() % 2];
        float *in = randoms(total, -20, 20), *bias = randoms(outer * n, -5, 5), *out = blanks(total);
        for (size_t i = 0; i < total; i++) {
            if (rnd() % 60 == 0) in[i] = -INFINITY;
            if (rnd() % 2000 == 0) in[i] = NAN;
        }
        if (rnd() % 20 == 0) {
            for (size_t i = 0; i < n * inner; i++) in[i] = -INFINITY;
        }
        const size_t columns = outer * inner, cut = pick(0, columns), step = rnd() % 2 ? n : 0;
        if (strided) {
            ck_softmax_strided_f32(out, in, n, inner, 0, cut, log_form);
            ck_softmax_strided_f32(out, in, n, inner, cut, columns, log_form);
        } else {
            ck_softmax_f32(out, in, n, 0, cut, scale, use_bias ? bias : NULL, step, log_form);
            ck_softmax_f32(out, in, n, cut, columns, scale, use_bias ? bias : NULL, step, log_form);
        }
        for (size_t c = 0; c < columns; c++) {
            const size_t base = c / inner * n * inner + c % inner;
            double m = -INFINITY, s = 0, x[90];
            for (size_t i = 0; i < n; i++) {
                x[i] = (double)in[base + i * inner] * scale + (use_bias ? bias[c * step + i] : 0);
                m = isnan(x[i]) || isnan(m) ? NAN : fmax(m, x[i]);
            }
            for (size_t i = 0; i < n; i++) s += exp(x[i] - m);
            for (size_t i = 0; i < n; i++) {
                const double want = log_form ? x[i] - m - log(s) : exp(x[i] - m) / s;
                compare(log_form ? &tl : &t, out[base + i * inner], want, log_form ? fmax(1, fabs(want)) : 1);
            }
        }
        free(in), free(bias), free(out);
    }
    report(&t);
    report(&tl);
}

static void check_norm(void) {
    tally t = {"layer, rms, group norm", 0, 3e-6, 0}, ta = {"channel affine", 0, 1e-6, 0};
    for (int round = 0; round < 400; round++) {
        const size_t rows = pick(1, 5), n = rnd() % 10 ? pick(1, 100) : pick(1000, 5000), total = rows * n;
        const float offset = rnd() % 3 ? 0 : 100;
        float *in = randoms(total, offset - 2, offset + 2), *res = randoms(total, -1, 1), *scale = randoms(n, -2, 2),
              *bias = randoms(n, -1, 1), *out = blanks(total), *sum = blanks(total);
        const bool with_res = rnd() % 2, with_sum = rnd() % 2, with_scale = rnd() % 2, with_bias = rnd() % 2, rms = rnd() % 2;
        const size_t cut = pick(0, rows);
        for (int part = 0; part < 2; part++) {
            const size_t b = part ? cut : 0, e = part ? rows : cut;
            if (rms) {
                ck_rmsnorm_f32(out, in, with_res ? res : NULL, with_sum ? sum : NULL, with_scale ? scale : NULL, n, 1e-5f, b, e, NULL);
            } else {
                ck_layernorm_f32(out, in, with_res ? res : NULL, with_sum ? sum : NULL, with_scale ? scale : NULL,
                                 with_bias ? bias : NULL, n, 1e-5f, b, e, NULL, NULL);
            }
        }
        for (size_t r = 0; r < rows; r++) {
            double mean = 0, var = 0;
            const size_t o = r * n;
#define X(i) ((double)(float)(in[o + i] + (with_res ? res[o + i] : 0.0f)))
            for (size_t i = 0; i < n; i++) mean += X(i) / (double)n;
            if (rms) mean = 0;
            for (size_t i = 0; i < n; i++) var += (X(i) - mean) * (X(i) - mean) / (double)n;
            const double inv = 1 / sqrt(var + 1e-5);
            for (size_t i = 0; i < n; i++) {
                double want = (X(i) - mean) * inv * (with_scale ? scale[i] : 1) + (with_bias && !rms ? bias[i] : 0);
                compare(&t, out[o + i], want, fmax(1, offset * inv * (rms ? 0.02 : 0.2)));
                if (with_sum) compare(&t, sum[o + i], X(i), 1);
            }
#undef X
        }
        const size_t groups = pick(1, 3), per = pick(1, 3), plane = pick(1, 60), channels = groups * per, batch = 2;
        float *gin = randoms(batch * channels * plane, -3, 5), *gs = randoms(channels, -1, 2), *gb = randoms(channels, -1, 2),
              *gout = blanks(batch * channels * plane);
        ck_groupnorm_f32(gout, gin, gs, gb, channels, groups, plane, 1e-5f, 0, batch * groups);
        for (size_t g = 0; g < batch * groups; g++) {
            const float *x = gin + g * per * plane;
            double mean = 0, var = 0;
            for (size_t i = 0; i < per * plane; i++) mean += x[i] / (double)(per * plane);
            for (size_t i = 0; i < per * plane; i++) var += (x[i] - mean) * (x[i] - mean) / (double)(per * plane);
            for (size_t i = 0; i < per * plane; i++) {
                const size_t c = g % groups * per + i / plane;
                compare(&t, gout[g * per * plane + i], (x[i] - mean) / sqrt(var + 1e-5) * gs[c] + gb[c], 2);
            }
        }
        const ck_activation act = {CK_UNARY_CLIP, 0, 6};
        ck_channel_affine_f32(gout, gin, gs, gb, channels, plane, 0, batch * channels, &act);
        for (size_t i = 0; i < batch * channels * plane; i++)
            compare(&ta, gout[i], fmin(6, fmax(0, (double)gin[i] * gs[i / plane % channels] + gb[i / plane % channels])), 1);
        free(in), free(res), free(scale), free(bias), free(out), free(sum), free(gin), free(gs), free(gb), free(gout);
    }
    report(&t);
    report(&ta);
}

static void check_reduce(void) {
    tally t = {"reduce", 0, 1e-6, 0};
    for (int round = 0; round < 1500; round++) {
        const size_t outer = pick(1, 4), n = rnd() % 20 ? pick(1, 80) : pick(1000, 3000), inner = rnd() % 2 ? 1 : pick(1, rnd() % 4 ? 40 : 200);
        const size_t outputs = outer * inner, cut = pick(0, outputs);
        const int op = (int)pick(0, CK_REDUCE_LOG_SUM);
        const bool small = op == CK_REDUCE_PROD || op == CK_REDUCE_LOG_SUM;
        float *in = randoms(outputs * n, small ? 0.9f : -2, small ? 1.1f : 2), *out = blanks(outputs);
        if (rnd() % 4 == 0) in[rnd() % (outputs * n)] = NAN;
        ck_reduce_f32(op, out, in, n, inner, 0, cut);
        ck_reduce_f32(op, out, in, n, inner, cut, outputs);
        for (size_t c = 0; c < outputs; c++) {
            double s = 0, m = -INFINITY, l = INFINITY, p = 1, a = 0, q = 0;
            for (size_t r = 0; r < n; r++) {
                const double x = in[c / inner * n * inner + r * inner + c % inner];
                s += x, p *= x, a += fabs(x), q += x * x;
                m = isnan(m) || isnan(x) ? NAN : fmax(m, x);
                l = isnan(l) || isnan(x) ? NAN : fmin(l, x);
            }
            const double want[] = {s, s / (double)n, m, l, q, a, sqrt(q), p, log(s)};
            const double scale[] = {a, a / (double)n, 1, 1, q, a, sqrt(q), fabs(p), 1};
            compare(&t, out[c], want[op], fmax(1e-30, scale[op]));
        }
        int64_t *at = raw(outputs * 8);
        ck_argmax_f32(at, in, n, inner, 0, outputs, false, false);
        for (size_t c = 0; c < outputs; c++) {
            const float *x = in + c / inner * n * inner + c % inner, best = x[(size_t)at[c] * inner];
            for (size_t r = 0; r < n && best == best; r++)
                expect(r < (size_t)at[c] ? x[r * inner] < best : x[r * inner] <= best, "argmax");
        }
        free(in), free(out), free(at);
    }
    report(&t);
}

static double clipped(double x, double clip) { return clip > 0 ? fmin(clip, fmax(-clip, x)) : x; }

static void check_rnn(void) {
    tally t = {"lstm, gru, rnn cells", 0, 1e-6, 0};
    const ck_activation usual[3] = {{CK_UNARY_SIGMOID, 0, 0}, {CK_UNARY_TANH, 0, 0}, {CK_UNARY_TANH, 0, 0}};
    const ck_activation other[3] = {{CK_UNARY_SIGMOID, 0, 0}, {CK_RNN_SCALED_TANH, 0.5f, 2}, {CK_UNARY_AFFINE, 0.5f, 0.25f}};
    for (int round = 0; round < 400; round++) {
        const size_t units = pick(1, 40), nr = ck_gemm_nr(), pitch = (units + nr - 1) / nr * nr, hidden = units + pick(0, 3);
        const bool peep = rnd() % 2, couples = rnd() % 4 == 0, plain = rnd() % 2;
        const float clip = rnd() % 2 ? 3 : 0;
        const ck_activation *act = plain ? usual : other;
#define G(x) (plain ? tanh(x) : 0.5 * tanh(2 * (x)))
#define H(x) (plain ? tanh(x) : 0.5 * (x) + 0.25)
        float *x = randoms(4 * pitch, -4, 4), *s = randoms(4 * pitch, -1, 1), *c = randoms(pitch, -2, 2), *c0 = raw(pitch * 4);
        float *p = randoms(2 * hidden + units, -1, 1), *h = blanks(pitch), *old = randoms(pitch, -1, 1), *bias = randoms(pitch, -1, 1);
        float *z = blanks(pitch), *reset = blanks(pitch);
        memcpy(c0, c, pitch * 4);
        ck_lstm_units_f32(h, c, x, s, pitch, peep ? p : NULL, hidden, units, clip, couples, act);
        for (size_t j = 0; j < units; j++) {
            const double i = sig(clipped((double)x[j] + s[j] + (peep ? (double)p[j] * c0[j] : 0), clip));
            const double f = couples ? 1 - i : sig(clipped((double)x[2 * pitch + j] + s[2 * pitch + j] + (peep ? (double)p[2 * hidden + j] * c0[j] : 0), clip));
            const double cell = f * c0[j] + i * G(clipped((double)x[3 * pitch + j] + s[3 * pitch + j], clip));
            const double o = sig(clipped((double)x[pitch + j] + s[pitch + j] + (peep ? p[hidden + j] * cell : 0), clip));
            compare(&t, c[j], cell, 1);
            compare(&t, h[j], o * H(cell), 1);
        }
        ck_gru_units_f32(h, old, x, s, pitch, bias, units, clip, act);
        ck_gru_gates_f32(z, reset, old, x, s, pitch, units, clip, act);
        for (size_t j = 0; j < units; j++) {
            const double zj = sig(clipped((double)x[j] + s[j], clip)), r = sig(clipped((double)x[pitch + j] + s[pitch + j], clip));
            const double n = G(clipped(x[2 * pitch + j] + r * ((double)s[2 * pitch + j] + bias[j]), clip));
            compare(&t, h[j], (1 - zj) * n + zj * old[j], 1);
            compare(&t, z[j], zj, 1);
            compare(&t, reset[j], r * old[j], 1);
        }
        ck_gru_output_f32(h, z, old, x, s, units, clip, act + 1);
        for (size_t j = 0; j < units; j++)
            compare(&t, h[j], (1 - (double)z[j]) * G(clipped((double)x[j] + s[j], clip)) + (double)z[j] * old[j], 1);
        ck_rnn_units_f32(h, x, s, units, clip, act + 1);
        for (size_t j = 0; j < units; j++) compare(&t, h[j], G(clipped((double)x[j] + s[j], clip)), 1);
#undef G
#undef H
        free(x), free(s), free(c), free(c0), free(p), free(h), free(old), free(bias), free(z), free(reset);
    }
    report(&t);
}

static void check_rotary(void) {
    tally t = {"rotary embedding", 0, 1e-6, 0};
    for (int round = 0; round < 400; round++) {
        const size_t half = pick(1, 70), rest = rnd() % 2 ? pick(1, 9) : 0, size = 2 * half + rest, heads = pick(1, 5),
                     stride = size + (rnd() % 2 ? pick(1, 40) : 0), total = heads * stride;
        const bool interleaved = rnd() % 2, in_place = rnd() % 2;
        float *in = randoms(total, -3, 3), *c = randoms(half, -1, 1), *s = randoms(half, -1, 1), *out = blanks(total);
        if (in_place) memcpy(out, in, total * sizeof(float));
        ck_rotary_f32(out, in_place ? out : in, c, s, half, size, heads, stride, interleaved);
        for (size_t h = 0; h < heads; h++) {
            const float *x = in + h * stride, *y = out + h * stride;
            for (size_t i = 0; i < half; i++) {
                const size_t a = interleaved ? 2 * i : i, b = interleaved ? 2 * i + 1 : i + half;
                compare(&t, y[a], (double)c[i] * x[a] - (double)s[i] * x[b], 3);
                compare(&t, y[b], (double)s[i] * x[a] + (double)c[i] * x[b], 3);
            }
            for (size_t i = 2 * half; i < size; i++) compare(&t, y[i], x[i], 1);
        }
        free(in), free(c), free(s), free(out);
    }
    report(&t);
}
