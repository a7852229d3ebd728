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

DEVICE float widen(half x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
DEVICE float widen(bf16 x) { return __uint_as_float((u32)x.bits << 16); }
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

/// `N` elements that are loaded and stored at once; an address is a multiple of their size.
template <typename T, int N>
struct alignas(sizeof(T) * N) Pack {
    T at[N];
};
