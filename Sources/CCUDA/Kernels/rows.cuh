// Rows of elements: types by ONNX's codes, loads and stores of several elements, sums over warps and blocks.
// Behind elements.cuh.
#pragma once

template <int>
struct Coded;
template <> struct Coded<1> { typedef float type; };
template <> struct Coded<2> { typedef u8 type; };
template <> struct Coded<3> { typedef i8 type; };
template <> struct Coded<4> { typedef u16 type; };
template <> struct Coded<5> { typedef i16 type; };
template <> struct Coded<6> { typedef int type; };
template <> struct Coded<7> { typedef i64 type; };
template <> struct Coded<9> { typedef u8 type; };
template <> struct Coded<10> { typedef half type; };
template <> struct Coded<11> { typedef double type; };
template <> struct Coded<12> { typedef u32 type; };
template <> struct Coded<13> { typedef u64 type; };
template <> struct Coded<16> { typedef bf16 type; };

/// What sums of a type are computed in: float32, double, and 64 bits of integers, which wrap as the type's own would.
template <typename T> struct Wide { typedef i64 type; };
template <> struct Wide<float> { typedef float type; };
template <> struct Wide<half> { typedef float type; };
template <> struct Wide<bf16> { typedef float type; };
template <> struct Wide<double> { typedef double type; };
template <> struct Wide<u64> { typedef u64 type; };

template <typename T, typename A>
DEVICE T rounded(A x) { return (T)x; }
template <> DEVICE half rounded<half, float>(float x) { return narrow<half>(x); }
template <> DEVICE bf16 rounded<bf16, float>(float x) { return narrow<bf16>(x); }

#define INFINITE __int_as_float(0x7f800000)

/// Elements that one load takes: 16 bytes' worth, at most N.
template <typename T, int N>
struct Burst { static const int count = N * sizeof(T) <= 16 ? N : 16 / sizeof(T); };

/// `N` elements at an address that is a multiple of their size, or of 16 bytes.
template <int N, typename T, typename A>
DEVICE void load(const T *from, A (&to)[N]) {
    constexpr int count = Burst<T, N>::count;
#pragma unroll
    for (int i = 0; i < N; i += count) {
        const Pack<T, count> pack = *(const Pack<T, count> *)(from + i);
#pragma unroll
        for (int j = 0; j < count; j++) to[i + j] = (A)widen(pack.at[j]);
    }
}

template <int N, typename T, typename A>
DEVICE void store(T *to, const A (&from)[N]) {
    constexpr int count = Burst<T, N>::count;
#pragma unroll
    for (int i = 0; i < N; i += count) {
        Pack<T, count> pack;
#pragma unroll
        for (int j = 0; j < count; j++) pack.at[j] = rounded<T>(from[i + j]);
        *(Pack<T, count> *)(to + i) = pack;
    }
}

struct Add {
    template <typename A>
    DEVICE A operator()(A a, A b) const { return a + b; }
};
struct Greater {
    DEVICE float operator()(float a, float b) const { return fmaxf(a, b); }
};
struct Least {
    DEVICE int operator()(int a, int b) const { return a < b ? a : b; }
};

/// `a` of the lane whose number differs by `mask`.
template <typename A>
DEVICE A across(A a, int mask) { return __shfl_xor_sync(~0u, a, mask); }

/// The values of COUNT lanes (a power of two), at places that are multiples of it, joined: the same bits in all, since `join` commutes.
template <int COUNT = 32, typename A, typename F>
DEVICE A join_warp(A a, F join) {
#pragma unroll
    for (int mask = COUNT / 2; mask; mask >>= 1) a = join(a, across(a, mask));
    return a;
}

/// The same for a number of lanes that is known at run time.
template <typename A, typename F>
DEVICE A join_lanes(A a, int count, F join) {
    for (int mask = count / 2; mask; mask >>= 1) a = join(a, across(a, mask));
    return a;
}

/// The same over a block of one dimension, whole warps. Every thread calls it. `none` changes nothing.
template <typename A, typename F>
DEVICE A join_block(A a, A none, F join) {
    __shared__ alignas(16) unsigned char memory[32 * sizeof(A)];
    A *parts = (A *)memory;
    a = join_warp(a, join);
    if (blockDim.x == 32) return a;
    __syncthreads();
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = a;
    __syncthreads();
    a = threadIdx.x % 32 < blockDim.x / 32 ? parts[threadIdx.x % 32] : none;
    return join_warp(a, join);
}

/// Over the threads that share a row: COUNT lanes of a warp, or the block where that is 0. Every thread calls it.
template <int COUNT, typename A, typename F>
DEVICE A join_row(A a, A none, F join) {
    if constexpr (COUNT > 0) {
        return join_warp<COUNT>(a, join);
    } else {
        return join_block(a, none, join);
    }
}

/// Division of what is less than 2^31 by what does not change: three instructions.
struct Divisor {
    u32 value, factor, shift;
    DEVICE u32 quotient(u32 x) const { return (__umulhi(x, factor) + x) >> shift; }
    DEVICE u32 split(u32 x, u32 &rest) const {
        const u32 q = quotient(x);
        rest = x - q * value;
        return q;
    }
};
