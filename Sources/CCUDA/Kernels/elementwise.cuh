// Functions of elements, for generated programs: float and double, and integers where the operator has them.
// FAST 1: what is computed is stored in 16 bits only; exponentials, quotients and erf may be off by a few units of 2^-20.
// Behind elements.cuh and division.cuh.
#pragma once

// What holds for signed types alone is asked of unsigned ones too.
#pragma nv_diag_suppress 186

#ifndef FAST
#define FAST 0
#endif

/// A value as its type in memory. Booleans are bytes of 0 and 1.
template <typename T>
struct Stored {
    template <typename S>
    static DEVICE T of(S x) {
        return (T)x;
    }
};
template <>
struct Stored<half> {
    static DEVICE half of(float x) { return narrow<half>(x); }
};
template <>
struct Stored<bf16> {
    static DEVICE bf16 of(float x) { return narrow<bf16>(x); }
};
template <>
struct Stored<e4m3> {
    static DEVICE e4m3 of(float x) { return narrow<e4m3>(x); }
};
template <>
struct Stored<e5m2> {
    static DEVICE e5m2 of(float x) { return narrow<e5m2>(x); }
};

// MARK: Loads and stores

/// `N` elements from an address that is a multiple of their bytes (of 16, where they are more). `PARTLY`: of which the first `count` are there.
template <int N, bool PARTLY, typename T>
DEVICE void fetch(T (&x)[N], const T *from, u32 count) {
    if (PARTLY) {
#pragma unroll
        for (int j = 0; j < N; j++)
            if (j < count) x[j] = from[j];
    } else {
        constexpr int most = 16 / sizeof(T), step = N < most ? N : most;
#pragma unroll
        for (int j = 0; j < N; j += step) {
            Pack<T, step> pack = *(const Pack<T, step> *)(from + j);
#pragma unroll
            for (int k = 0; k < step; k++) x[j + k] = pack.at[k];
        }
    }
}

template <int N, bool PARTLY, typename T, typename S>
DEVICE void put(T *to, const S (&x)[N], u32 count) {
    if (PARTLY) {
#pragma unroll
        for (int j = 0; j < N; j++)
            if (j < count) to[j] = Stored<T>::of(x[j]);
    } else {
        constexpr int most = 16 / sizeof(T), step = N < most ? N : most;
#pragma unroll
        for (int j = 0; j < N; j += step) {
            Pack<T, step> pack;
#pragma unroll
            for (int k = 0; k < step; k++) pack.at[k] = Stored<T>::of(x[j + k]);
            *(Pack<T, step> *)(to + j) = pack;
        }
    }
}

// MARK: Floats

#define INFINITY_F __int_as_float(0x7f800000)

DEVICE float quotient(float a, float b) { return FAST ? __fdividef(a, b) : a / b; }
DEVICE double quotient(double a, double b) { return a / b; }

#define BOTH(name, single, wide)                                                                                                         \
    DEVICE float name(float x) { return single; }                                                                                        \
    DEVICE double name(double x) { return wide; }
BOTH(e_exp, FAST ? __expf(x) : expf(x), exp(x))
BOTH(e_expm1, expm1f(x), expm1(x))
BOTH(e_log, FAST ? __logf(x) : logf(x), log(x))
BOTH(e_log1p, log1pf(x), log1p(x))
BOTH(e_sqrt, sqrtf(x), sqrt(x))
BOTH(e_sin, sinf(x), sin(x))
BOTH(e_cos, cosf(x), cos(x))
BOTH(e_tan, tanf(x), tan(x))
BOTH(e_asin, asinf(x), asin(x))
BOTH(e_acos, acosf(x), acos(x))
BOTH(e_atan, atanf(x), atan(x))
BOTH(e_sinh, sinhf(x), sinh(x))
BOTH(e_cosh, coshf(x), cosh(x))
BOTH(e_tanh, tanhf(x), tanh(x))
BOTH(e_asinh, asinhf(x), asinh(x))
BOTH(e_acosh, acoshf(x), acosh(x))
BOTH(e_atanh, atanhf(x), atanh(x))
BOTH(e_floor, floorf(x), floor(x))
BOTH(e_ceil, ceilf(x), ceil(x))
BOTH(e_round, rintf(x), rint(x))
BOTH(e_reciprocal, quotient(1.f, x), 1 / x)

/// FAST: Abramowitz and Stegun 7.1.26, off by 1.5e-7.
DEVICE float e_erf(float x) {
    if (!FAST) return erff(x);
    float a = fabsf(x), t = __fdividef(1.f, fmaf(0.3275911f, a, 1.f));
    float p = fmaf(fmaf(fmaf(fmaf(1.061405429f, t, -1.453152027f), t, 1.421413741f), t, -0.284496736f), t, 0.254829592f) * t;
    return copysignf(1.f - p * __expf(-a * a), x);
}
DEVICE double e_erf(double x) { return erf(x); }

DEVICE float e_pow(float a, float b) { return powf(a, b); }
DEVICE double e_pow(double a, double b) { return pow(a, b); }
DEVICE float e_fmod(float a, float b) { return fmodf(a, b); }
DEVICE double e_fmod(double a, double b) { return fmod(a, b); }

#define FLOATS template <typename T> DEVICE T
#define ANY template <typename T> DEVICE T

FLOATS e_sigmoid(T x) { return quotient(T(1), T(1) + e_exp(-x)); }
FLOATS e_relu(T x) { return x < T(0) ? T(0) : x; }
FLOATS e_leaky(T x, T alpha) { return x < T(0) ? alpha * x : x; }
FLOATS e_elu(T x, T alpha) { return x < T(0) ? alpha * e_expm1(x) : x; }
FLOATS e_selu(T x, T alpha, T gamma) { return gamma * (x < T(0) ? alpha * e_expm1(x) : x); }
FLOATS e_celu(T x, T alpha) { return x < T(0) ? alpha * e_expm1(x / alpha) : x; }
FLOATS e_clamp(T x, T low, T high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}
FLOATS e_hard_sigmoid(T x, T alpha, T beta) { return e_clamp(alpha * x + beta, T(0), T(1)); }
FLOATS e_hard_swish(T x) { return x * e_clamp(x * T(1.0 / 6) + T(0.5), T(0), T(1)); }
FLOATS e_softplus(T x) {
    T rest = e_log1p(e_exp(x < T(0) ? x : -x));
    return x < T(0) ? rest : x + rest;
}
FLOATS e_softsign(T x) { return quotient(x, T(1) + (x < T(0) ? -x : x)); }
FLOATS e_mish(T x) { return x * e_tanh(e_softplus(x)); }
FLOATS e_swish(T x, T alpha) { return quotient(x, T(1) + e_exp(-alpha * x)); }
FLOATS e_gelu(T x) { return T(0.5) * x * (T(1) + e_erf(x * T(0.70710678118654752440))); }
/// 0.5 (1 + tanh(z)) is the logistic function of 2 z.
FLOATS e_gelu_tanh(T x) { return x * e_sigmoid(T(1.5957691216057307117) * (x + T(0.044715) * x * x * x)); }
FLOATS e_thresholded(T x, T alpha) { return x > alpha ? x : T(0); }
FLOATS e_shrink(T x, T bias, T lambd) { return x < -lambd ? x + bias : x > lambd ? x - bias : T(0); }
FLOATS e_square(T x) { return x * x; }
FLOATS e_cube(T x) { return x * x * x; }
FLOATS e_divide(T a, T b) { return quotient(a, b); }
FLOATS e_floored_mod(T a, T b) {
    T rest = e_fmod(a, b);
    if (rest == T(0)) return b < T(0) ? -T(0) : T(0);
    return (rest < T(0)) != (b < T(0)) ? rest + b : rest;
}
FLOATS e_power(T a, T b) { return e_pow(a, b); }
template <typename T>
DEVICE bool e_is_nan(T x) {
    return x != x;
}
template <typename T>
DEVICE bool e_is_inf(T x, bool below, bool above) {
    return (above && x == T(INFINITY_F)) || (below && x == T(-INFINITY_F));
}

/// What a type of 16 bits holds of it.
DEVICE float e_round_half(float x) { return widen(narrow<half>(x)); }
DEVICE float e_round_bf16(float x) { return widen(narrow<bf16>(x)); }
/// What a type of 8 bits holds of it. Beyond its largest number: that number, or (not `saturates`) NaN, an infinity of an e5m2.
DEVICE float e_round_e4m3(float x, bool saturates) {
    // 464 is half-way to what would follow 448, and goes to the even one.
    if (!saturates && fabsf(x) > 464) return __int_as_float(0x7fffffff);
    return widen(narrow<e4m3>(x));
}
DEVICE float e_round_e5m2(float x, bool saturates) {
    if (fabsf(x) >= 61440) return copysignf(saturates ? 57344 : INFINITY_F, x);
    return widen(narrow<e5m2>(x));
}

// MARK: Numbers of any kind

ANY e_abs(T x) { return x < T(0) ? T(0) - x : x; }
DEVICE float e_abs(float x) { return fabsf(x); }
DEVICE double e_abs(double x) { return fabs(x); }
/// NaN stays.
ANY e_sign(T x) { return x > T(0) ? T(1) : x < T(0) ? T(-1) : x; }
/// NaN wins.
ANY e_max(T a, T b) { return a > b || a != a ? a : b; }
ANY e_min(T a, T b) { return a < b || a != a ? a : b; }
ANY e_prelu(T x, T slope) { return x < T(0) ? slope * x : x; }

/// Towards zero; 0 by zero.
#define INTEGER(T)                                                                                                                       \
    DEVICE T e_divide(T a, T b) { return b == T(0) ? T(0) : b == T(-1) && T(-1) < T(0) ? T(0) - a : a / b; }                             \
    DEVICE T e_fmod(T a, T b) { return b == T(0) || (b == T(-1) && T(-1) < T(0)) ? T(0) : a % b; }                                       \
    DEVICE T e_floored_mod(T a, T b) {                                                                                                   \
        T rest = e_fmod(a, b);                                                                                                           \
        return rest != T(0) && (rest < T(0)) != (b < T(0)) ? rest + b : rest;                                                            \
    }                                                                                                                                    \
    DEVICE T e_power(T a, T b) {                                                                                                         \
        if (b < T(0)) return a == T(1) ? T(1) : a == T(-1) ? (b % T(2) == T(0) ? T(1) : T(-1)) : T(0);                                   \
        T result = 1;                                                                                                                    \
        for (; b > T(0); b = b / T(2), a = a * a)                                                                                        \
            if (b % T(2)) result = result * a;                                                                                           \
        return result;                                                                                                                   \
    }                                                                                                                                    \
    /* A shift that is negative or as wide as the type leaves the sign's fill. */                                                        \
    DEVICE T e_shift_left(T a, T b, int width) { return b < T(0) || b >= T(width) ? T(0) : a << b; }                                     \
    DEVICE T e_shift_right(T a, T b, int width) { return b < T(0) || b >= T(width) ? (a < T(0) ? T(-1) : T(0)) : a >> b; }
INTEGER(int)
INTEGER(u32)
INTEGER(i64)
INTEGER(u64)

// MARK: Quantization

/// saturate(round(x / scale) + zero), halves to even; NaN gives the zero point. The quotient is always a true one.
DEVICE int e_quantize(float x, float scale, int zero, int low, int high) {
    float whole = rintf(__fdiv_rn(x, scale));
    if (whole != whole) whole = 0;
    whole = fminf(fmaxf(whole, -1e9f), 1e9f);
    int result = (int)whole + zero;
    return min(max(result, low), high);
}
DEVICE float e_quantize_e4m3(float x, float scale, bool saturates) { return e_round_e4m3(__fdiv_rn(x, scale), saturates); }
DEVICE float e_quantize_e5m2(float x, float scale, bool saturates) { return e_round_e5m2(__fdiv_rn(x, scale), saturates); }
/// The same where the quotient has the precision of 16 bits, or of a double.
DEVICE int e_quantize_half(float x, float scale, int zero, int low, int high) {
    return e_quantize(e_round_half(__fdiv_rn(x, scale)), 1.f, zero, low, high);
}
DEVICE int e_quantize_bf16(float x, float scale, int zero, int low, int high) {
    return e_quantize(e_round_bf16(__fdiv_rn(x, scale)), 1.f, zero, low, high);
}
DEVICE int e_quantize_wide(double x, double scale, int zero, int low, int high) {
    double whole = rint(x / scale);
    if (whole != whole) whole = 0;
    return min(max((int)fmin(fmax(whole, -1e9), 1e9) + zero, low), high);
}
