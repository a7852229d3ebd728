// Local response normalization.
#ifndef CK_TIER
#include "include/ck_norm.h"
#include "internal.h"

/// Positions of a plane that a slice covers: its window of channels stays in the first-level cache.
enum { SPAN = 512 };

#define CK_SELF "lrn.c"
#include "tiers.h"

size_t ck_lrn_spans(size_t plane) { return (plane + SPAN - 1) / SPAN; }

void ck_lrn_f32(float *out, const CK_U(float) *in, const ck_lrn *lrn, size_t begin, size_t end) { CK_CALL(lrn, out, in, lrn, begin, end); }

#else

/// s^-beta. The exponent of AlexNet and all that follow it, 0.75, takes two roots.
INL vf T(lrn_power)(vf s, float beta) {
    if (beta == 0.75f) {
        const vf root = __builtin_elementwise_sqrt(s);
        return VS(1) / (root * __builtin_elementwise_sqrt(root));
    }
    return vexp(VS(-beta) * vlog(s));
}

static void T(lrn)(float *out, const CK_U(float) *in, const ck_lrn *l, size_t begin, size_t end) {
    const size_t spans = ck_lrn_spans(l->plane), plane = l->plane;
    const vf alpha = VS(l->alpha), bias = VS(l->bias);
    for (size_t slice = begin; slice < end; slice++) {
        const size_t first = slice % spans * SPAN, n = ck_min(SPAN, plane - first);
        const size_t at = slice / spans * l->channels * plane + first;
        for (size_t c = 0; c < l->channels; c++) {
            const size_t low = c > l->before ? c - l->before : 0, high = ck_min(l->channels, c + l->after + 1);
            const CK_U(float) *const x = in + at;
            float *const y = out + at + c * plane;
            size_t i = 0;
            for (; i + W <= n; i += W) {
                vf sum = VS(0);
                for (size_t q = low; q < high; q++) sum = VFMA(LD(x + q * plane + i), LD(x + q * plane + i), sum);
                ST(y + i, LD(x + c * plane + i) * T(lrn_power)(VFMA(alpha, sum, bias), l->beta));
            }
            if (i == n) continue;
            vf sum = VS(0);
            for (size_t q = low; q < high; q++) {
                const vf v = LDN(x + q * plane + i, n - i);
                sum = VFMA(v, v, sum);
            }
            STN(y + i, LDN(x + c * plane + i, n - i) * T(lrn_power)(VFMA(alpha, sum, bias), l->beta), n - i);
        }
    }
}

#endif
