// What the product kernels share: element types by number, and what becomes of a sum.
// Macros: RESULT, ADDEND, RESIDUAL, LEFT_SCALE, RIGHT_SCALE (types; 0: there is none), ACTIVATION.
#pragma once

template <int number>
struct ByNumber;
template <> struct ByNumber<0> { typedef float type; };  // stands for nothing
template <> struct ByNumber<1> { typedef float type; };
template <> struct ByNumber<2> { typedef half type; };
template <> struct ByNumber<3> { typedef bf16 type; };
template <> struct ByNumber<4> { typedef double type; };
template <> struct ByNumber<5> { typedef int type; };
template <> struct ByNumber<6> { typedef u32 type; };
template <> struct ByNumber<7> { typedef i64 type; };
template <> struct ByNumber<8> { typedef u64 type; };
template <> struct ByNumber<9> { typedef i8 type; };
template <> struct ByNumber<10> { typedef u8 type; };
template <> struct ByNumber<11> { typedef e4m3 type; };
template <> struct ByNumber<12> { typedef e5m2 type; };

#ifndef ADDEND
#define ADDEND 0
#endif
#ifndef RESIDUAL
#define RESIDUAL 0
#endif
#ifndef LEFT_SCALE
#define LEFT_SCALE 0
#endif
#ifndef RIGHT_SCALE
#define RIGHT_SCALE 0
#endif
#ifndef ACTIVATION
#define ACTIVATION 0
#endif
#ifndef RESULT
#define RESULT 1
#endif
typedef ByNumber<RESULT>::type result;

/// activation(alpha * sum + beta * addend[row * addend_row + column * addend_column] + residual[row * residual_row + column]), alpha times
/// what the factors' scales are, the left one's one number.
struct Finish {
    const void *addend, *residual;
    i64 addend_row, addend_column, residual_row;
    float alpha, beta, p0, p1;
#if LEFT_SCALE || RIGHT_SCALE
    const void *left_scale, *right_scale;
    i64 right_column;
#endif
};
DEVICE float factor(const Finish &f, i64 column) {
    float x = f.alpha;
#if LEFT_SCALE
    x *= widen(*(const ByNumber<LEFT_SCALE>::type *)f.left_scale);
#endif
#if RIGHT_SCALE
    x *= widen(((const ByNumber<RIGHT_SCALE>::type *)f.right_scale)[column * f.right_column]);
#endif
    return x;
}

/// e^x and 1 / x to some 22 bits, which results of 16 bits leave room for.
#define IS_ROUGH (RESULT == 2 || RESULT == 3)
DEVICE float power(float x) { return IS_ROUGH ? __expf(x) : expf(x); }
DEVICE float over(float x) {
    if (!IS_ROUGH) return 1 / x;
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
DEVICE float hyperbolic(float x) { return IS_ROUGH ? 1 - 2 * over(1 + power(2 * x)) : tanhf(x); }
/// x times the normal distribution at x.
DEVICE float gelu(float x) {
    if (!IS_ROUGH) return 0.5f * x * (1 + erff(x * 0.70710678118654752f));
    // Abramowitz and Stegun, 7.1.26: half of erfc(|x| / sqrt(2)), its error below 1e-7.
    const float a = fabsf(x), t = over(fmaf(0.3275911f * 0.70710678f, a, 1));
    float y = fmaf(0.5307027145f, t, -0.7265760135f);
    y = fmaf(y, t, 0.7107068705f);
    y = fmaf(y, t, -0.142248368f);
    y = fmaf(y, t, 0.1274147955f) * t * power(-0.5f * a * a);
    return fmaf(-a, y, fmaxf(x, 0));
}

DEVICE float activate(float x, float p0, float p1) {
#if ACTIVATION == 1  // Relu
    return x < 0 ? 0.0f : x;
#elif ACTIVATION == 2  // Sigmoid
    return over(1 + power(-x));
#elif ACTIVATION == 3  // Tanh
    return hyperbolic(x);
#elif ACTIVATION == 4  // HardSwish
    return x * fmaxf(0.0f, fminf(1.0f, x / 6 + 0.5f));
#elif ACTIVATION == 5  // Gelu
    return gelu(x);
#elif ACTIVATION == 6  // GeluTanh
    return 0.5f * x * (1 + hyperbolic(0.79788456080286536f * (x + 0.044715f * x * x * x)));
#elif ACTIVATION == 7  // LeakyRelu
    return x < 0 ? x * p0 : x;
#elif ACTIVATION == 8  // Elu
    return x < 0 ? p0 * expm1f(x) : x;
#elif ACTIVATION == 9  // Swish
    return x * over(1 + power(-p0 * x));
#elif ACTIVATION == 10  // HardSigmoid
    return fmaxf(0.0f, fminf(1.0f, p0 * x + p1));
#elif ACTIVATION == 11  // Clip
    return x < p0 ? p0 : x > p1 ? p1 : x;
#else
    return x;
#endif
}

template <typename T>
DEVICE T finish(const Finish &f, T sum, i64 row, i64 column) {
    return sum;
}
DEVICE float finish(const Finish &f, float sum, i64 row, i64 column) {
    float x = factor(f, column) * sum;
#if ADDEND
    x = fmaf(f.beta, (float)widen(((const ByNumber<ADDEND>::type *)f.addend)[row * f.addend_row + column * f.addend_column]), x);
#endif
#if RESIDUAL
    x += (float)widen(((const ByNumber<RESIDUAL>::type *)f.residual)[row * f.residual_row + column]);
#endif
    return activate(x, f.p0, f.p1);
}
DEVICE double finish(const Finish &f, double sum, i64 row, i64 column) {
    double x = f.alpha * sum;
#if ADDEND
    x += f.beta * (double)widen(((const ByNumber<ADDEND>::type *)f.addend)[row * f.addend_row + column * f.addend_column]);
#endif
#if RESIDUAL
    x += (double)widen(((const ByNumber<RESIDUAL>::type *)f.residual)[row * f.residual_row + column]);
#endif
    return x;
}

/// A sum as an element of the result.
template <typename To, typename From> struct Give {
    static DEVICE To of(From x) { return narrow<To>((float)x); }
};
template <typename T> struct Give<T, T> {
    static DEVICE T of(T x) { return x; }
};
