// Rotary position embeddings.
#ifndef CK_TIER
#include "include/ck_rotary.h"
#include "internal.h"

#define CK_SELF "rotary.c"
#include "tiers.h"

void ck_rotary_f32(float *out, const CK_U(float) *in, const CK_U(float) *cos, const CK_U(float) *sin, size_t half, size_t size,
                   size_t heads, size_t stride, bool interleaved) {
    CK_CALL(rotary, out, in, cos, sin, half, size, heads, stride, interleaved);
}

#else

static void T(turn_halves)(float *out, const CK_U(float) *in, const CK_U(float) *cos, const CK_U(float) *sin, size_t half) {
    size_t i = 0;
    for (; i + W <= half; i += W) {
        const vf a = LD(in + i), b = LD(in + half + i), c = LD(cos + i), s = LD(sin + i);
        ST(out + i, c * a - s * b);
        ST(out + half + i, s * a + c * b);
    }
    for (; i < half; i++) {
        const float a = in[i], b = in[half + i];
        out[i] = cos[i] * a - sin[i] * b;
        out[half + i] = sin[i] * a + cos[i] * b;
    }
}

static void T(turn_pairs)(float *out, const CK_U(float) *in, const CK_U(float) *cos, const CK_U(float) *sin, size_t half) {
    size_t i = 0;
    for (; i + W <= half; i += W) {
        const vf p = LD(in + 2 * i), q = LD(in + 2 * i + W), c = LD(cos + i), s = LD(sin + i);
        vf a, b, first, second;
        a.lo = p.even, a.hi = q.even, b.lo = p.odd, b.hi = q.odd;
        const vf real = c * a - s * b, imaginary = s * a + c * b;
        first.even = real.lo, first.odd = imaginary.lo, second.even = real.hi, second.odd = imaginary.hi;
        ST(out + 2 * i, first);
        ST(out + 2 * i + W, second);
    }
    for (; i < half; i++) {
        const float a = in[2 * i], b = in[2 * i + 1];
        out[2 * i] = cos[i] * a - sin[i] * b;
        out[2 * i + 1] = sin[i] * a + cos[i] * b;
    }
}

static void T(rotary)(float *out, const CK_U(float) *in, const CK_U(float) *cos, const CK_U(float) *sin, size_t half, size_t size,
                      size_t heads, size_t stride, bool interleaved) {
    for (size_t h = 0; h < heads; h++, in += stride, out += stride) {
        if (interleaved) {
            T(turn_pairs)(out, in, cos, sin, half);
        } else {
            T(turn_halves)(out, in, cos, sin, half);
        }
        if (out != in && size > 2 * half) memcpy(out + 2 * half, in + 2 * half, (size - 2 * half) * sizeof(float));
    }
}

#endif
