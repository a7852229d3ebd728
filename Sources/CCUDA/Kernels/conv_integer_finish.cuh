// What becomes of a convolution's int32 sums. Each step is rounded by itself, as the portable evaluation does it.
#pragma once

struct IntegerParams {
    int out;    // 2 float32, 3 uint8, 4 int8, 5 int32
    int added;  // what is added: -1 nothing, else as `out`
    float added_scale;
    int added_zero;
    float inverse;  // of the result's scale
    int zero;
    float p0, p1;
};

DEVICE int saturate_sum(float x, int low, int high, int zero) {
    const float r = rintf(x);
    return (r != r ? 0 : (int)fminf(fmaxf(r, (float)(low - zero)), (float)(high - zero))) + zero;
}

/// Element `at` of the result: of an exact sum, the factor and the bias of its column.
DEVICE void finish_integer(const IntegerParams &p, int sum, float factor, float bias, const void *added, void *y, i64 at) {
    if (p.out == 5) {
        ((int *)y)[at] = sum;
        return;
    }
    float f = __fadd_rn(__fmul_rn((float)sum, factor), bias);
    if (p.added == 2) f = __fadd_rn(f, ((const float *)added)[at]);
    else if (p.added >= 3) {
        const int code = p.added == 3 ? (int)((const u8 *)added)[at] : (int)((const i8 *)added)[at];
        f = __fadd_rn(f, __fmul_rn((float)(code - p.added_zero), p.added_scale));
    }
    f = activate<ACTIVATION>(f, p.p0, p.p1);
    if (p.out == 2) ((float *)y)[at] = f;
    else if (p.out == 3) ((u8 *)y)[at] = (u8)saturate_sum(__fmul_rn(f, p.inverse), 0, 255, p.zero);
    else ((i8 *)y)[at] = (i8)saturate_sum(__fmul_rn(f, p.inverse), -128, 127, p.zero);
}
