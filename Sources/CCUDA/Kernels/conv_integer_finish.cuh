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

/// Of an exact sum, the factor and the bias of its column, what is added (`code`: as a number of 8 bits, which `x` stands for otherwise).
DEVICE float finished(const IntegerParams &p, int sum, float factor, float bias, float x, int code) {
    float f = __fadd_rn(__fmul_rn((float)sum, factor), bias);
    if (p.added == 2) f = __fadd_rn(f, x);
    else if (p.added >= 3) f = __fadd_rn(f, __fmul_rn((float)(code - p.added_zero), p.added_scale));
    return activate<ACTIVATION>(f, p.p0, p.p1);
}

DEVICE int code_of(const IntegerParams &p, u8 byte) { return p.added == 3 ? (int)byte : (int)(i8)byte; }

DEVICE u8 byte_of(const IntegerParams &p, float f) {
    return p.out == 3 ? (u8)saturate_sum(__fmul_rn(f, p.inverse), 0, 255, p.zero)
                      : (u8)saturate_sum(__fmul_rn(f, p.inverse), -128, 127, p.zero);
}

/// Element `at` of the result.
DEVICE void finish_integer(const IntegerParams &p, int sum, float factor, float bias, const void *added, void *y, i64 at) {
    if (p.out == 5) {
        ((int *)y)[at] = sum;
        return;
    }
    const float x = p.added == 2 ? ((const float *)added)[at] : 0;
    const float f = finished(p, sum, factor, bias, x, p.added >= 3 ? code_of(p, ((const u8 *)added)[at]) : 0);
    if (p.out == 2) ((float *)y)[at] = f;
    else ((u8 *)y)[at] = byte_of(p, f);
}

/// Eight elements side by side from `at` on, a multiple of eight, of which `sums_of`, `factors` and `bias` are the columns'; everything is read before
/// anything is written.
DEVICE void finish_eight(const IntegerParams &p, const int *sums, const int *sums_of, const float *factors, const float *bias, const void *added,
                         void *y, i64 at) {
    union Eight {
        int4 q[2];
        int i[8];
        float f[8];
    } sum, of, factor, shift, x;
    union Bytes {
        u64 all;
        u8 each[8];
    } codes, out;
    sum.q[0] = ((const int4 *)sums)[0], sum.q[1] = ((const int4 *)sums)[1];
    of.q[0] = ((const int4 *)sums_of)[0], of.q[1] = ((const int4 *)sums_of)[1];
#pragma unroll
    for (int e = 0; e < 8; e++) sum.i[e] += of.i[e];
    if (p.out == 5) {
        ((int4 *)((int *)y + at))[0] = sum.q[0], ((int4 *)((int *)y + at))[1] = sum.q[1];
        return;
    }
    factor.q[0] = ((const int4 *)factors)[0], factor.q[1] = ((const int4 *)factors)[1];
    shift.q[0] = shift.q[1] = x.q[0] = x.q[1] = make_int4(0, 0, 0, 0);
    codes.all = 0;
    if (bias) shift.q[0] = ((const int4 *)bias)[0], shift.q[1] = ((const int4 *)bias)[1];
    if (p.added == 2) x.q[0] = ((const int4 *)((const float *)added + at))[0], x.q[1] = ((const int4 *)((const float *)added + at))[1];
    else if (p.added >= 3) codes.all = *(const u64 *)((const u8 *)added + at);
#pragma unroll
    for (int e = 0; e < 8; e++) {
        x.f[e] = finished(p, sum.i[e], factor.f[e], shift.f[e], x.f[e], code_of(p, codes.each[e]));
        out.each[e] = p.out == 2 ? 0 : byte_of(p, x.f[e]);
    }
    if (p.out == 2) ((int4 *)((float *)y + at))[0] = x.q[0], ((int4 *)((float *)y + at))[1] = x.q[1];
    else *(u64 *)((u8 *)y + at) = out.all;
}
