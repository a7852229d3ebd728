// Loops for the ceilings of a roofline.
#ifndef CK_TIER
#include "include/ck_ceiling.h"
#include "internal.h"

#define CK_SELF "ceiling.c"
#include "tiers.h"

double ck_ceiling_multiply_add(size_t rounds, float *sink) {
    double operations = 0;
    CK_CALL(multiply_add, rounds, sink, &operations);
    return operations;
}

float ck_ceiling_read(const float *in, size_t count) {
    float sink = 0;
    CK_CALL(read, in, count, &sink);
    return sink;
}

#else

static void T(multiply_add)(size_t rounds, float *sink, double *operations) {
    // As many sums as hide the latency and leave registers for the factors.
    enum { SUMS = CK_TIER == 2 ? 24 : 12 };
    // Volatile: the compiler must not know the factors.
    const volatile float factor = 0.9999999f, step = 1e-9f;
    const vf a = VS(factor), b = VS(step);
    vf sum[SUMS];
    for (int i = 0; i < SUMS; i++) sum[i] = VS((float)i);
    for (size_t r = 0; r < rounds; r++) {
#pragma clang loop unroll(full)
        for (int i = 0; i < SUMS; i++) sum[i] = VFMA(sum[i], a, b);
    }
    for (int i = 1; i < SUMS; i++) sum[0] += sum[i];
    *sink = vhsum(sum[0]);
    *operations = 2.0 * (double)rounds * SUMS * W;
}

static void T(read)(const float *in, size_t count, float *sink) {
    enum { LINES = 8 };
    vi seen[LINES];
    for (int i = 0; i < LINES; i++) seen[i] = (vi)VS(0);
    size_t i = 0;
    for (; i + LINES * W <= count; i += LINES * W) {
#pragma clang loop unroll(full)
        for (int q = 0; q < LINES; q++) seen[q] |= (vi)LD(in + i + q * W);
    }
    for (int q = 1; q < LINES; q++) seen[0] |= seen[q];
    int32_t any = 0;
    for (int q = 0; q < W; q++) any |= seen[0][q];
    for (; i < count; i++) any |= in[i] != 0;
    *sink = (float)any;
}

#endif
