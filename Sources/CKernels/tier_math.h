// Vector mathematics, included by tier_begin.h once per tier. Error bounds (in ulp) are those that
// Tests/CKernelChecks measures against double libm.

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

/// e^x, 1 ulp. Underflows gradually, overflows to infinity. Cody-Waite reduction, two-step scaling.
INL vf vexp(vf x) {
    x = vclamp(x, VS(-105.0f), VS(89.0f));
    const vf magic = VS(12582912.0f);
    const vf t = VFMA(x, VS(1.44269504f), magic);
    const vf n = t - magic;
    vf r = VFMA(n, VS(-0.693359375f), x);
    r = VFMA(n, VS(2.12194440e-4f), r);
    vf p = VS(1.9875691500e-4f);
    p = VFMA(p, r, VS(1.3981999507e-3f));
    p = VFMA(p, r, VS(8.3334519073e-3f));
    p = VFMA(p, r, VS(4.1665795894e-2f));
    p = VFMA(p, r, VS(1.6666665459e-1f));
    p = VFMA(p, r, VS(5.0000001201e-1f));
    p = VFMA(p * r, r, r) + VS(1.0f);
    const vi k = (vi)t - (vi)0x4b400000;
    const vi k1 = k >> 1, k2 = k - k1;
    return p * (vf)((k1 + 127) << 23) * (vf)((k2 + 127) << 23);
}

/// e^x for x <= 0 where results below 2^-126 may become zero (softmax, attention): one scaling step.
INL vf vexp_neg(vf x) {
    x = vsel(x < VS(-87.3f), VS(-87.3f - 16.0f), x);
    const vf magic = VS(12582912.0f);
    const vf t = VFMA(x, VS(1.44269504f), magic);
    const vf n = t - magic;
    vf r = VFMA(n, VS(-0.693359375f), x);
    r = VFMA(n, VS(2.12194440e-4f), r);
    vf p = VS(1.9875691500e-4f);
    p = VFMA(p, r, VS(1.3981999507e-3f));
    p = VFMA(p, r, VS(8.3334519073e-3f));
    p = VFMA(p, r, VS(4.1665795894e-2f));
    p = VFMA(p, r, VS(1.6666665459e-1f));
    p = VFMA(p, r, VS(5.0000001201e-1f));
    p = VFMA(p * r, r, r) + VS(1.0f);
    const vi k = (vi)t - (vi)0x4b400000;
    const vf scale = (vf)((k + 127) << 23);
    return vsel(x < VS(-87.3f), VS(0), p * scale);
}

/// Natural logarithm, 1 ulp. log(0) = -inf, log(negative) = NaN. Cephes polynomial.
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

/// log(1 + x) for x in [0, 1] or NaN, 2 ulp.
INL vf vlog1p01(vf x) {
    const vf u = VS(1.0f) + x;
    return vsel(u == VS(1.0f), x, vlog(u) + (x - (u - VS(1.0f))) / u);
}

/// 1 / (1 + e^-x), 3 ulp; gradual underflow.
INL vf vsigmoid(vf x) {
    const vf e = vexp(-vabs(x));
    return vsel(x < VS(0), e, VS(1.0f)) / (VS(1.0f) + e);
}

/// Hyperbolic tangent, 3 ulp. Cephes.
INL vf vtanh(vf x) {
    const vf a = vabs(x), z = x * x;
    vf p = VS(-5.70498872745e-3f);
    p = VFMA(p, z, VS(2.06390887954e-2f));
    p = VFMA(p, z, VS(-5.37397155531e-2f));
    p = VFMA(p, z, VS(1.33314422036e-1f));
    p = VFMA(p, z, VS(-3.33332819422e-1f));
    p = VFMA(p * z, x, x);
    const vf e = vexp(a + a);
    const vf q = vcopysign(VS(1.0f) - VS(2.0f) / (e + VS(1.0f)), x);
    return vsel(a < VS(0.625f), p, vsel(x != x, x, q));
}

/// Error function, 2 ulp. Two-branch minimax form (N. Juffa).
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

INL vf vgelu(vf x) { return VS(0.5f) * x * (VS(1.0f) + verf(x * VS(0.70710678f))); }
INL vf vgelu_tanh(vf x) {
    const vf u = VS(0.79788456f) * VFMA(x * x * x, VS(0.044715f), x);
    return VS(0.5f) * x * (VS(1.0f) + vtanh(u));
}
/// e^x - 1 for x <= 0, 4 ulp: Taylor form near zero, plain difference elsewhere.
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
/// x * tanh(log(1 + e^x)), by tanh(log(1+e)) = e(e+2) / (e(e+2) + 2).
INL vf vmish(vf x) {
    const vf e = vexp(vsel(x > VS(20.0f), VS(20.0f), x)), n = e * (e + VS(2.0f));
    return x * (n / (n + VS(2.0f)));
}
INL vf vsoftplus(vf x) { return vsel(x < VS(0), VS(0), x) + vlog1p01(vexp(-vabs(x))); }

/// Not inlined: their code is long and they are inlined in many tiles.
static __attribute__((noinline, unused)) vf T(vactivate_far)(int32_t op, vf x, vf a) {
    switch (op) {
    case CK_UNARY_SIGMOID: return vsigmoid(x);
    case CK_UNARY_SILU: return x * vsigmoid(a * x);
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
