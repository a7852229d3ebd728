// Row and channel normalisations.
#ifndef CK_TIER
#include "include/ck_norm.h"
#include "internal.h"

#define CK_SELF "norm.c"
#include "tiers.h"

void ck_layernorm_f32(float *out, const CK_U(float) *in, const CK_U(float) *residual, float *sum_out, const CK_U(float) *scale,
                      const CK_U(float) *bias, size_t n, float eps, size_t begin, size_t end, float *mean_out,
                      float *inv_std_out) {
    CK_CALL(layernorm, out, in, residual, sum_out, scale, bias, n, eps, begin, end, mean_out, inv_std_out);
}

void ck_rmsnorm_f32(float *out, const CK_U(float) *in, const CK_U(float) *residual, float *sum_out, const CK_U(float) *scale, size_t n,
                    float eps, size_t begin, size_t end, float *inv_rms_out) {
    CK_CALL(rmsnorm, out, in, residual, sum_out, scale, n, eps, begin, end, inv_rms_out);
}

void ck_groupnorm_f32(float *out, const CK_U(float) *in, const CK_U(float) *scale, const CK_U(float) *bias, size_t channels,
                      size_t groups, size_t plane, float eps, size_t begin, size_t end) {
    CK_CALL(groupnorm, out, in, scale, bias, channels, groups, plane, eps, begin, end);
}

void ck_channel_affine_f32(float *out, const CK_U(float) *in, const CK_U(float) *scale, const CK_U(float) *shift, size_t channels,
                           size_t plane, size_t begin, size_t end, const ck_activation *act) {
    for (size_t r = begin; r < end; r++) {
        float *dst = out + r * plane;
        const CK_U(float) *src = in + r * plane;
        for (size_t i = 0; i < plane; i += 2048) {
            const size_t m = ck_min(2048, plane - i);
            ck_unary_f32(CK_UNARY_AFFINE, dst + i, src + i, m, scale[r % channels], shift[r % channels]);
            if (act && act->op) ck_unary_f32(act->op, dst + i, dst + i, m, act->p0, act->p1);
        }
    }
}

#else

// As many additions in a row in every tier, so that all are equally exact.
#define BLOCK ((size_t)64 * W)

/// Sum over n of x (power 1) or (x - shift)^2 (power 2).
static double T(moment)(const CK_U(float) *x, size_t n, float shift, int power) {
    double total = 0;
    const vf c = VS(shift);
    for (size_t i0 = 0; i0 < n; i0 += BLOCK) {
        const size_t end = ck_min(n, i0 + BLOCK);
        vf s[4] = {VS(0), VS(0), VS(0), VS(0)};
        size_t i = i0;
        for (; i + 4 * W <= end; i += 4 * W) {
#pragma clang loop unroll(full)
            for (int q = 0; q < 4; q++) {
                const vf v = LD(x + i + q * W), d = v - c;
                s[q] = power == 1 ? s[q] + v : VFMA(d, d, s[q]);
            }
        }
        for (; i + W <= end; i += W) {
            const vf v = LD(x + i), d = v - c;
            s[0] = power == 1 ? s[0] + v : VFMA(d, d, s[0]);
        }
        total += vhsum((s[0] + s[1]) + (s[2] + s[3]));
        for (; i < end; i++) total += power == 1 ? x[i] : (x[i] - shift) * (x[i] - shift);
    }
    return total;
}

static const CK_U(float) *T(add_residual)(float *dst, const CK_U(float) *in, const CK_U(float) *residual, size_t n) {
    size_t i = 0;
    for (; i + W <= n; i += W) ST(dst + i, LD(in + i) + LD(residual + i));
    if (i < n) STN(dst + i, LDN(in + i, n - i) + LDN(residual + i, n - i), n - i);
    return dst;
}

/// out = (x - mean) * inverse * scale + bias. The mean in two parts: where the variance is small beside it, half a unit of its last place
/// would be seen.
static void T(normalise)(float *out, const CK_U(float) *x, size_t n, double mean, float inverse, const CK_U(float) *scale,
                         const CK_U(float) *bias) {
    const vf m = VS(mean), low = VS(mean - (double)(float)mean), r = VS(inverse);
    for (size_t i = 0; i < n; i += W) {
        const size_t left = n - i;
        if (left >= W) {
            vf y = (LD(x + i) - m - low) * r;
            if (scale) y *= LD(scale + i);
            if (bias) y += LD(bias + i);
            ST(out + i, y);
        } else {
            vf y = (LDN(x + i, left) - m - low) * r;
            if (scale) y *= LDN(scale + i, left);
            if (bias) y += LDN(bias + i, left);
            STN(out + i, y, left);
        }
    }
}

static const CK_U(float) *T(row_input)(float *out, const CK_U(float) *in, const CK_U(float) *residual, float *sum_out, size_t n) {
    if (residual) return T(add_residual)(sum_out ? sum_out : out, in, residual, n);
    if (sum_out && sum_out != in) memcpy(sum_out, in, n * sizeof *in);
    return in;
}

static void T(layernorm)(float *out, const CK_U(float) *in, const CK_U(float) *residual, float *sum_out, const CK_U(float) *scale,
                         const CK_U(float) *bias, size_t n, float eps, size_t begin, size_t end, float *mean_out,
                         float *inv_std_out) {
    for (size_t r = begin; r < end; r++) {
        const size_t o = r * n;
        const CK_U(float) *x = T(row_input)(out + o, in + o, residual ? residual + o : NULL, sum_out ? sum_out + o : NULL, n);
        const double mean = T(moment)(x, n, 0, 1) / (double)n;
        const double variance = T(moment)(x, n, (float)mean, 2) / (double)n;
        const float inverse = (float)(1.0 / sqrt(variance + (double)eps));
        if (mean_out) mean_out[r] = (float)mean;
        if (inv_std_out) inv_std_out[r] = inverse;
        T(normalise)(out + o, x, n, mean, inverse, scale, bias);
    }
}

static void T(rmsnorm)(float *out, const CK_U(float) *in, const CK_U(float) *residual, float *sum_out, const CK_U(float) *scale, size_t n,
                       float eps, size_t begin, size_t end, float *inv_rms_out) {
    for (size_t r = begin; r < end; r++) {
        const size_t o = r * n;
        const CK_U(float) *x = T(row_input)(out + o, in + o, residual ? residual + o : NULL, sum_out ? sum_out + o : NULL, n);
        const float inverse = (float)(1.0 / sqrt(T(moment)(x, n, 0, 2) / (double)n + (double)eps));
        if (inv_rms_out) inv_rms_out[r] = inverse;
        T(normalise)(out + o, x, n, 0, inverse, scale, NULL);
    }
}

static void T(groupnorm)(float *out, const CK_U(float) *in, const CK_U(float) *scale, const CK_U(float) *bias, size_t channels,
                         size_t groups, size_t plane, float eps, size_t begin, size_t end) {
    const size_t per = channels / groups, n = per * plane;
    for (size_t g = begin; g < end; g++) {
        const CK_U(float) *x = in + g * n;
        const double mean = T(moment)(x, n, 0, 1) / (double)n;
        const double inverse = 1.0 / sqrt(T(moment)(x, n, (float)mean, 2) / (double)n + (double)eps);
        for (size_t c = 0; c < per; c++) {
            const size_t channel = g % groups * per + c;
            const vf m = VS(mean), low = VS(mean - (double)(float)mean), a = VS(inverse * (scale ? (double)scale[channel] : 1.0)),
                     b = VS(bias ? bias[channel] : 0.0f);
            float *dst = out + g * n + c * plane;
            const CK_U(float) *src = x + c * plane;
            size_t i = 0;
            for (; i + W <= plane; i += W) ST(dst + i, VFMA(LD(src + i) - m - low, a, b));
            if (i < plane) STN(dst + i, VFMA(LDN(src + i, plane - i) - m - low, a, b), plane - i);
        }
    }
}

#undef BLOCK
#endif
