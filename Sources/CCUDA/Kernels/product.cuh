// What the product kernels share: element types by number, and what becomes of a sum.
// Macros: RESULT, ADDEND (types; ADDEND 0: nothing is added), ACTIVATION.
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

#ifndef ADDEND
#define ADDEND 0
#endif
#ifndef ACTIVATION
#define ACTIVATION 0
#endif
#ifndef RESULT
#define RESULT 1
#endif
typedef ByNumber<RESULT>::type result;

/// activation(alpha * sum + beta * addend[row * addend_row + column * addend_column])
struct Finish {
    const void *addend;
    i64 addend_row, addend_column;
    float alpha, beta, p0, p1;
};

DEVICE float activate(float x, float p0, float p1) {
#if ACTIVATION == 1  // Relu
    return x < 0 ? 0.0f : x;
#elif ACTIVATION == 2  // Sigmoid
    return 1 / (1 + expf(-x));
#elif ACTIVATION == 3  // Tanh
    return tanhf(x);
#elif ACTIVATION == 4  // HardSwish
    return x * fmaxf(0.0f, fminf(1.0f, x / 6 + 0.5f));
#elif ACTIVATION == 5  // Gelu
    return 0.5f * x * (1 + erff(x * 0.70710678118654752f));
#elif ACTIVATION == 6  // GeluTanh
    return 0.5f * x * (1 + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
#elif ACTIVATION == 7  // LeakyRelu
    return x < 0 ? x * p0 : x;
#elif ACTIVATION == 8  // Elu
    return x < 0 ? p0 * expm1f(x) : x;
#elif ACTIVATION == 9  // Swish
    return x / (1 + expf(-p0 * x));
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
    float x = f.alpha * sum;
#if ADDEND
    x = fmaf(f.beta, (float)widen(((const ByNumber<ADDEND>::type *)f.addend)[row * f.addend_row + column * f.addend_column]), x);
#endif
    return activate(x, f.p0, f.p1);
}
DEVICE double finish(const Finish &f, double sum, i64 row, i64 column) {
    double x = f.alpha * sum;
#if ADDEND
    x += f.beta * (double)widen(((const ByNumber<ADDEND>::type *)f.addend)[row * f.addend_row + column * f.addend_column]);
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
