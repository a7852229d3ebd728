// Element types of operands, loads and stores that compute in float32, and integer division by what does not change.
// Compiled by NVRTC with no include path; the host puts this text in front of the kernel's.
#pragma once

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define DEVICE __device__ __forceinline__

/// IEEE half precision and bfloat16: types of their own, so that overloads tell them from integers.
struct half {
    u16 bits;
};
struct bf16 {
    u16 bits;
};
/// 8 bits: 4 of an exponent and 3 of a fraction, no infinities (ONNX: float8e4m3fn); 5 and 2 (float8e5m2), the upper half of a half.
struct e4m3 {
    u8 bits;
};
struct e5m2 {
    u8 bits;
};

DEVICE float widen(half x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
DEVICE float widen(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
DEVICE float widen(e5m2 x) { return widen(half{(u16)(x.bits << 8)}); }
DEVICE float widen(e4m3 x) {
#if __CUDA_ARCH__ >= 890
    u32 two;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(two) : "h"((u16)x.bits));
    return widen(half{(u16)two});
#else
    // A half's exponent counts from 15, this one's from 7.
    const u32 magnitude = x.bits & 0x7f;
    const float y = widen(half{(u16)((x.bits & 0x80) << 8 | magnitude << 7)}) * 256.0f;
    return magnitude == 0x7f ? __uint_as_float(0x7fc00000) : y;
#endif
}
DEVICE float widen(float x) { return x; }
DEVICE double widen(double x) { return x; }
DEVICE i64 widen(i64 x) { return x; }
DEVICE u64 widen(u64 x) { return x; }
DEVICE int widen(int x) { return x; }
DEVICE u32 widen(u32 x) { return x; }
DEVICE int widen(i16 x) { return x; }
DEVICE int widen(u16 x) { return x; }
DEVICE int widen(i8 x) { return x; }
DEVICE int widen(u8 x) { return x; }

/// To the nearest, ties to even. `narrow<T>(x)`.
template <typename T>
DEVICE T narrow(float x) {
    return (T)x;
}
template <>
DEVICE half narrow<half>(float x) {
    half y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}
template <>
DEVICE bf16 narrow<bf16>(float x) {
    bf16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}

/// Bits of |x| in a type of 8 bits with `fraction` bits of a fraction and exponents that count from `bias`, whose largest number has the bits
/// `most`: what is larger becomes that.
template <int fraction, int bias>
DEVICE u32 eighth(float x, u32 most) {
    const u32 bits = __float_as_uint(x) & 0x7fffffff;
    constexpr u32 least = (128 - bias) << 23;
    u32 y;
    if (bits < least) {
        // All of one exponent: the sum with 2^23 units of the last place rounds to such.
        const float unit = __uint_as_float((151 - bias - fraction) << 23);
        y = __float_as_uint(__uint_as_float(bits) + unit) - __float_as_uint(unit);
    } else {
        y = ((bits + (1u << (22 - fraction)) - 1 + (bits >> (23 - fraction) & 1)) >> (23 - fraction)) - ((127 - bias) << fraction);
    }
    return y < most ? y : most;
}
/// Beyond the largest number it is that number; an e5m2 keeps infinities.
template <>
DEVICE e4m3 narrow<e4m3>(float x) {
#if __CUDA_ARCH__ >= 890
    u16 two;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(two) : "f"(0.0f), "f"(x));
    return {(u8)two};
#else
    return {(u8)((x != x ? 0x7f : eighth<3, 7>(x, 0x7e)) | (__float_as_uint(x) >> 24 & 0x80))};
#endif
}
template <>
DEVICE e5m2 narrow<e5m2>(float x) {
    const u32 sign = __float_as_uint(x) >> 24 & 0x80;
    if ((__float_as_uint(x) & 0x7fffffff) == 0x7f800000) return {(u8)(0x7c | sign)};
#if __CUDA_ARCH__ >= 890
    u16 two;
    asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(two) : "f"(0.0f), "f"(x));
    return {(u8)two};
#else
    return {(u8)((x != x ? 0x7f : eighth<2, 15>(x, 0x7b)) | sign)};
#endif
}

/// `N` elements that are loaded and stored at once; an address is a multiple of their size.
template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
    T at[N];
};
