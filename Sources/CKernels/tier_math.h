// Vector mathematics, included by tier_begin.h once per tier. docs/numerics.md has the largest errors over all floats, found by
// `Tools/measure ulp`.

INL vf vsel(vi mask, vf a, vf b) { return (vf)(((vi)a & mask) | ((vi)b & ~mask)); }
INL vf vabs(vf x) { return (vf)((vi)x & (vi)0x7fffffff); }
INL vf vcopysign(vf x, vf sign) { return (vf)(((vi)x & (vi)0x7fffffff) | ((vi)sign & (vi)(int32_t)0x80000000)); }
/// Bounds x; a NaN in x passes through.
INL vf vclamp(vf x, vf lo, vf hi) {
    x = vsel(x < lo, lo, x);
    return vsel(x > hi, hi, x);
}
/// Maximum and minimum in which a NaN on either side wins.
INL vf vmax(vf a, vf b) { return vsel(a != a, a, vsel(a > b, a, b)); }
INL vf vmin(vf a, vf b) { return vsel(a != a, a, vsel(a < b, a, b)); }

INL float vhsum(vf v) {
    float s[W], *p = s;
    ST(s, v);
    for (int w = W / 2; w; w /= 2) {
        for (int i = 0; i < w; i++) p[i] += p[i + w];
    }
    return s[0];
}
INL float vhmax(vf v) {
    float m = v[0];
    for (int i = 1; i < W; i++) m = ck_fmax(m, v[i]);
    return m;
}
INL float vhmin(vf v) {
    float m = v[0];
    for (int i = 1; i < W; i++) m = ck_fmin(m, v[i]);
    return m;
}

/// e^r - 1 for |r| <= 0.35, Cephes polynomial.
INL vf vexpm1_poly(vf r) {
    vf p = VS(1.9875691500e-4f);
    p = VFMA(p, r, VS(1.3981999507e-3f));
    p = VFMA(p, r, VS(8.3334519073e-3f));
    p = VFMA(p, r, VS(4.1665795894e-2f));
    p = VFMA(p, r, VS(1.6666665459e-1f));
    p = VFMA(p, r, VS(5.0000001201e-1f));
    return VFMA(p * r, r, r);
}

/// e^(x + low) = (1 + result) * 2^k for |low| << 1: Cody-Waite reduction. A low of -0 costs nothing.
INL vf vexp_parts(vf x, vf low, vi *k) {
    const vf magic = VS(12582912.0f);
    const vf t = VFMA(x, VS(1.44269504f), magic);
    const vf n = t - magic;
    vf r = VFMA(n, VS(-0.693359375f), x);
    r = VFMA(n, VS(2.12194440e-4f), r) + low;
    *k = (vi)t - (vi)0x4b400000;
    return vexpm1_poly(r);
}

/// e^x. Underflows gradually, overflows to infinity, scales in two steps.
INL vf vexp(vf x) {
    vi k;
    const vf p = vexp_parts(vclamp(x, VS(-105.0f), VS(89.0f)), VS(-0.0f), &k) + VS(1.0f);
    const vi k1 = k >> 1, k2 = k - k1;
    return p * (vf)((k1 + 127) << 23) * (vf)((k2 + 127) << 23);
}

/// e^x for x <= 0 where results below 2^-126 may become zero (softmax, attention): one scaling step.
INL vf vexp_neg(vf x) {
    x = vsel(x < VS(-87.3f), VS(-87.3f - 16.0f), x);
    vi k;
    const vf p = vexp_parts(x, VS(-0.0f), &k) + VS(1.0f);
    return vsel(x < VS(-87.3f), VS(0), p * (vf)((k + 127) << 23));
}

/// Natural logarithm. log(0) = -inf, log(negative) = NaN. Cephes polynomial.
INL vf vlog(vf x) {
    const vf x0 = x;
    const vi tiny = x < VS(1.17549435e-38f);
    x = vsel(tiny, x * VS(8388608.0f), x);
    vi e = (((vi)x >> 23) & (vi)0xff) - (vi)126;
    e -= tiny & (vi)23;
    vf m = (vf)(((vi)x & (vi)0x007fffff) | (vi)0x3f000000);
    const vi low = m < VS(0.707106781f);
    e += low;
    m = vsel(low, m + m, m) - VS(1.0f);
    const vf ef = __builtin_convertvector(e, vf);
    const vf z = m * m;
    vf p = VS(7.0376836292e-2f);
    p = VFMA(p, m, VS(-1.1514610310e-1f));
    p = VFMA(p, m, VS(1.1676998740e-1f));
    p = VFMA(p, m, VS(-1.2420140846e-1f));
    p = VFMA(p, m, VS(1.4249322787e-1f));
    p = VFMA(p, m, VS(-1.6668057665e-1f));
    p = VFMA(p, m, VS(2.0000714765e-1f));
    p = VFMA(p, m, VS(-2.4999993993e-1f));
    p = VFMA(p, m, VS(3.3333331174e-1f));
    p = p * m * z;
    p = VFMA(ef, VS(-2.12194440e-4f), p);
    p = VFMA(z, VS(-0.5f), p);
    vf y = VFMA(ef, VS(0.693359375f), m + p);
    y = vsel(x0 == VS(0), VS(-INFINITY), y);
    y = vsel(x0 < VS(0), VS(NAN), y);
    return vsel((x0 != x0) | (x0 == VS(INFINITY)), x0, y);
}

/// log(1 + x) for x in [0, 1] or NaN.
INL vf vlog1p01(vf x) {
    const vf u = VS(1.0f) + x;
    return vsel(u == VS(1.0f), x, vlog(u) + (x - (u - VS(1.0f))) / u);
}

/// num / (1 + e^-(y + low)) for y in [-111, 60] and |low| << 1. Where e^-y is large, sum and quotient are taken 2^32 times
/// smaller and larger, so that only the last step leaves the normal range; below -110.6
/// the quotient is 0 (NaN for an infinite num).
INL vf vlogistic_of(vf num, vf y, vf low) {
    const vi far = y < VS(-60.0f);
    const vf one = (vf)((vi)(127 << 23) - (far & (vi)(32 << 23)));
    vi k;
    const vf p = vexp_parts(-y, -low, &k) + VS(1.0f);
    return num / VFMA(p, (vf)((k + (vi)127 - (far & (vi)32)) << 23), one) * one;
}
INL vf vlogistic(vf num, vf y) { return vlogistic_of(num, vclamp(y, VS(-111.0f), VS(60.0f)), VS(0)); }
INL vf vsigmoid(vf x) { return vlogistic(VS(1.0f), x); }

/// Hyperbolic tangent. Cephes.
INL vf vtanh(vf x) {
    const vf a = vabs(x), z = x * x;
    vf p = VS(-5.70498872745e-3f);
    p = VFMA(p, z, VS(2.06390887954e-2f));
    p = VFMA(p, z, VS(-5.37397155531e-2f));
    p = VFMA(p, z, VS(1.33314422036e-1f));
    p = VFMA(p, z, VS(-3.33332819422e-1f));
    p = VFMA(p * z, x, x);
    const vf e = vexp(a + a);
    const vf q = VS(1.0f) - VS(2.0f) / (e + VS(1.0f));
    return vcopysign(vsel(a < VS(0.625f), p, q), x);
}

/// Error function. Two-branch minimax form (N. Juffa).
INL vf verf(vf x) {
    const vf t0 = vabs(x), s0 = x * x;
    const vf t = vsel(t0 > VS(4.0f), VS(4.0f), t0), s = t * t;
    vf r = VFMA(VS(-1.72853470e-5f), t, VS(3.83197126e-4f));
    const vf u = VFMA(VS(-3.88396438e-3f), t, VS(2.42546219e-2f));
    r = VFMA(r, s, u);
    r = VFMA(r, t, VS(-1.06777877e-1f));
    r = VFMA(r, t, VS(-6.34846687e-1f));
    r = VFMA(r, t, VS(-1.28717512e-1f));
    r = VFMA(r, t, -t);
    r = vcopysign(VS(1.0f) - vexp(r), x);
    vf p = VS(-5.96761703e-4f);
    p = VFMA(p, s0, VS(4.99119423e-3f));
    p = VFMA(p, s0, VS(-2.67681349e-2f));
    p = VFMA(p, s0, VS(1.12819925e-1f));
    p = VFMA(p, s0, VS(-3.76125336e-1f));
    p = VFMA(p, s0, VS(1.28379166e-1f));
    p = VFMA(p, x, x);
    return vsel(x != x, x, vsel(t0 > VS(0.927734375f), r, p));
}

/// x^2 = result + low.
INL vf vsquare(vf x, vf *low) {
#if CK_FUSES
    const vf s = x * x;
    *low = VFMA(x, x, -s);
    return s;
#else
    const vf head = (vf)((vi)x & (vi)0xfffff000);
    *low = (x - head) * (x + head);
    return head * head;
#endif
}

/// x Phi(x), Phi(-z) = e^(-z^2 / 2) N(z) / D(z): relative accuracy on the left, too. N / D is erfcx(z / sqrt 2) / 2 to 1e-8, by
/// least squares weighted towards the largest relative error (Lawson); all coefficients are positive, so nothing cancels.
INL vf vgelu(vf x) {
    // Past this the exponential is 0.
    const vf z = vsel(vabs(x) > VS(18.77f), VS(18.77f), vabs(x));
    vf low;
    const vf head = vsquare(z, &low), s = z * z;
    const vf n1 = VFMA(z, VS(0.266507328f), VS(0.630520046f)), n3 = VFMA(z, VS(0.00617096061f), VS(0.0598700829f));
    const vf d0 = VFMA(z, VS(2.39254117f), VS(1.41812551f)), d2 = VFMA(z, VS(0.683340549f), VS(1.7329154f));
    const vf d4 = VFMA(z, VS(0.0154682016f), VS(0.150078341f));
    // z N and D.
    const vf n = VFMA(s, VFMA(s, n3, n1), z * VS(0.709062755f)), d = VFMA(s, VFMA(s, d4, d2), d0);
    vi k;
    const vf e = vexp_parts(VS(-0.5f) * head, VS(-0.5f) * low, &k), q = n / d;
    const vi k1 = k >> 1, k2 = k - k1;
    const vf tail = VFMA(q, e, q) * (vf)((k1 + 127) << 23) * (vf)((k2 + 127) << 23);
    // The product with 0 is for -inf, which gives NaN.
    return vsel(x < VS(0), VFMA(x, VS(0), -tail), x - tail);
}

/// x / (1 + e^-y) with y = x (A + B x^2), in two parts: y is large where the result is small.
INL vf vgelu_tanh(vf x) {
    const vf c = vclamp(x, VS(-10.945f), VS(8.0f));
#if CK_FUSES
    // A's head has few bits: what is subtracted from it gives an exact difference.
    const vf a = VS(0x1.988480p+0f), b = VS(0x1.2444f2p-4f);
    vf square_low;
    const vf s = vsquare(c, &square_low);
    const vf w = VFMA(b, s, a), w_low = VFMA(b, s, a - w);
    const vf rest = w_low + VFMA(b, square_low, VFMA(VS(2.3988324e-09f), s, VS(-2.66794505e-06f)));
    const vf y = c * w;
    return vlogistic_of(x, y, VFMA(c, rest, VFMA(c, w, -y)));
#else
    typedef double wide __attribute__((ext_vector_type(W)));
    const wide d = __builtin_convertvector(c, wide), y = d * (1.5957691216057307912 + 0.071354816272600247 * (d * d));
    const vf head = __builtin_convertvector(y, vf);
    return vlogistic_of(x, head, __builtin_convertvector(y - __builtin_convertvector(head, wide), vf));
#endif
}
/// e^x - 1 for x <= 0: Taylor form near zero, plain difference elsewhere.
INL vf vexpm1_neg(vf x) {
    vf p = VS(1.0f / 5040.0f);
    p = VFMA(p, x, VS(1.0f / 720.0f));
    p = VFMA(p, x, VS(1.0f / 120.0f));
    p = VFMA(p, x, VS(1.0f / 24.0f));
    p = VFMA(p, x, VS(1.0f / 6.0f));
    p = VFMA(p, x, VS(0.5f));
    p = VFMA(p * x, x, x);
    return vsel(x > VS(-0.4f), p, vexp(x) - VS(1.0f));
}
/// x * tanh(log(1 + e^x)), by tanh(log(1+e)) = e(e+2) / (e(e+2) + 2); far left e is 2^32 times larger, as in vlogistic_of.
INL vf vmish(vf x) {
    const vf c = vclamp(x, VS(-110.2f), VS(20.0f));
    const vi far = c < VS(-60.0f);
    const vf one = (vf)((vi)(127 << 23) - (far & (vi)(32 << 23)));
    vi k;
    const vf p = vexp_parts(c, VS(-0.0f), &k) + VS(1.0f);
    const vf e = p * (vf)((k + (vi)127 + (far & (vi)32)) << 23), n = VFMA(e, e * one, e + e);
    return x * (n / VFMA(n, one, VS(2.0f))) * one;
}
INL vf vsoftplus(vf x) { return vsel(x < VS(0), VS(0), x) + vlog1p01(vexp(-vabs(x))); }

/// Not inlined: their code is long and they are inlined in many tiles.
static __attribute__((noinline, unused)) vf T(vactivate_far)(int32_t op, vf x, vf a) {
    switch (op) {
    case CK_UNARY_SIGMOID: return vsigmoid(x);
    case CK_UNARY_SILU: return vlogistic(x, a * x);
    case CK_UNARY_TANH: return vtanh(x);
    case CK_UNARY_GELU: return vgelu(x);
    case CK_UNARY_GELU_TANH: return vgelu_tanh(x);
    default: return x;
    }
}

/// The activations of `ck_is_vector_activation`, with the same bits as ck_unary_f32.
INL vf vactivate(int32_t op, vf x, vf a, vf b) {
    switch (op) {
    case CK_UNARY_NONE: return x;
    case CK_UNARY_RELU: return vsel(x < VS(0), VS(0), x);
    case CK_UNARY_CLIP: return vclamp(x, a, b);
    case CK_UNARY_HARD_SWISH: return x * vclamp(x * VS(1.0f / 6.0f) + VS(0.5f), VS(0), VS(1));
    case CK_UNARY_HARD_SIGMOID: return vclamp(a * x + b, VS(0), VS(1));
    case CK_UNARY_LEAKY_RELU: return vsel(x < VS(0), a * x, x);
    default: return T(vactivate_far)(op, x, a);
    }
}
