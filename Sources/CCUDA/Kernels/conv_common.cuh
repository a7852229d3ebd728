// What the convolutions' kernels share: element types by number, geometry, activations. Behind elements.cuh.
#pragma once

template <int code> struct TypeOf;
template <> struct TypeOf<0> { using type = half; };
template <> struct TypeOf<1> { using type = bf16; };
template <> struct TypeOf<2> { using type = float; };
template <> struct TypeOf<3> { using type = u8; };
template <> struct TypeOf<4> { using type = i8; };
template <> struct TypeOf<5> { using type = int; };

/// Division of 0 ... 2^31 - 1 by what the host chose: `multiplier` 0 stands for a divisor of 1.
struct Divider {
    u32 divisor, multiplier, shift;
    DEVICE u32 quotient(u32 x) const { return multiplier ? __umulhi(x, multiplier) >> shift : x; }
    DEVICE u32 split(u32 x, u32 &rest) const {
        const u32 q = quotient(x);
        rest = x - q * divisor;
        return q;
    }
};

/// A convolution over [batch, depth, height, width, channels]; axes that an image lacks have the size 1. Counts are in elements.
struct ConvParams {
    int rows;      // positions of the result: batch * out
    int n;         // output channels of a group
    int k;         // taps * channels: numbers of a filter as packed
    int channels;  // of a group, as they lie in memory (padded)
    int pitch;     // from pixel to pixel of the image
    int ldy;       // from position to position of the result
    int in[3], kernel[3], stride[3], dilation[3], pad[3];
    int tiles;     // along n
    int planar;    // the result (and what is added to it) is [batch, channels, positions]
    int vectors;   // the result's rows can be stored 8 channels at once
    Divider positions, plane, line, tile;  // of an item of the result; height * width; width; tiles
    float p0, p1;  // the activation's
    // Where the result is larger than what this kernel computes: position i of an axis stands at i * up + at of `whole`.
    int scattered, whole[3], up[3], at[3];
    int fixed;  // the filters are constant: they may be read before the kernels in front are done

    /// The positions of an item of the result in memory.
    DEVICE u32 plane_size() const { return scattered ? whole[0] * whole[1] * whole[2] : positions.divisor; }
    /// Where position m lies, counted in positions of its item.
    DEVICE u32 position(u32 m, u32 &item) const {
        u32 place, rest, column;
        item = positions.split(m, place);
        if (!scattered) return place;
        const u32 z = plane.split(place, rest), y = line.split(rest, column);
        return ((z * up[0] + at[0]) * whole[1] + y * up[1] + at[1]) * whole[2] + column * up[2] + at[2];
    }
};

enum { NONE, RELU, SIGMOID, TANH, HARD_SWISH, GELU, GELU_TANH, LEAKY_RELU, ELU, SWISH, HARD_SIGMOID, CLIP };

template <int activation> DEVICE float activate(float x, float p0, float p1) {
    if (activation == RELU) return x < 0 ? 0 : x;
    if (activation == SIGMOID) return 1 / (1 + __expf(-x));
    if (activation == TANH) return tanhf(x);
    if (activation == HARD_SWISH) return x * fmaxf(0.0f, fminf(1.0f, x / 6 + 0.5f));
    if (activation == GELU) return x * 0.5f * (1 + erff(x * 0.70710678f));
    if (activation == GELU_TANH) return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
    if (activation == LEAKY_RELU) return x < 0 ? x * p0 : x;
    if (activation == ELU) return x < 0 ? p0 * expm1f(x) : x;
    if (activation == SWISH) return x / (1 + __expf(-p0 * x));
    if (activation == HARD_SIGMOID) return fmaxf(0.0f, fminf(1.0f, p0 * x + p1));
    if (activation == CLIP) return fminf(fmaxf(x, p0), p1);
    return x;
}

/// Eight numbers from an address that is a multiple of their size.
template <typename T> DEVICE void load8(float (&x)[8], const T *from) {
    constexpr int N = 16 / sizeof(T);
#pragma unroll
    for (int i = 0; i < 8; i += N) {
        const Pack<T, N> part = *(const Pack<T, N> *)(from + i);
#pragma unroll
        for (int j = 0; j < N; j++) x[i + j] = widen(part.at[j]);
    }
}
template <typename T> DEVICE void store8(T *to, const float (&x)[8]) {
    constexpr int N = 16 / sizeof(T);
#pragma unroll
    for (int i = 0; i < 8; i += N) {
        Pack<T, N> part;
#pragma unroll
        for (int j = 0; j < N; j++) part.at[j] = narrow<T>(x[i + j]);
        *(Pack<T, N> *)(to + i) = part;
    }
}

/// Eight numbers as they lie in memory.
template <typename T> struct Eight {
    static constexpr int N = 16 / sizeof(T);
    Pack<T, N> part[8 / N];
    DEVICE void load(const T *from) {
#pragma unroll
        for (int i = 0; i < 8 / N; i++) part[i] = *(const Pack<T, N> *)(from + i * N);
    }
    DEVICE void add_to(float (&x)[8]) const {
#pragma unroll
        for (int i = 0; i < 8; i++) x[i] += widen(part[i / N].at[i % N]);
    }
};
