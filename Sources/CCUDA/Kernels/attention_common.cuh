// What all attention kernels share: element types, conversions, parameters, and which keys a query may see.
// Compiled by NVRTC with no include path; the host puts this text in front of the kernel's (README.md).
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

// Macros, all optional but HEAD.
#ifndef HEAD
#error "HEAD: padded size of a head of Q and K"
#endif
#ifndef HEAD_V
#define HEAD_V HEAD
#endif
#ifndef ELEMENT  // of Q, K, V, O. 0: float16, 1: bfloat16, 2: float32 (not attention_sm90)
#define ELEMENT 1
#endif
#ifndef LIMIT_RIGHT  // 1: keys after position + right are not allowed (causal: right = 0)
#define LIMIT_RIGHT 0
#endif
#ifndef LIMIT_LEFT  // 1: keys before position - left are not allowed (sliding window)
#define LIMIT_LEFT 0
#endif
#ifndef LENGTHS  // keys of each batch item. 0: all, 1: int32, 2: int64
#define LENGTHS 0
#endif
#ifndef BIAS  // 0: none, 1: of ELEMENT's type, 2: float32, 3: bytes, zero meaning "not allowed"
#define BIAS 0
#endif
#ifndef BIAS_PAIRS  // 1: the bias' address and its strides are multiples of two elements, so that two are loaded at once
#define BIAS_PAIRS 0
#endif
#ifndef SOFTCAP  // 1: scores become softcap * tanh(score / softcap)
#define SOFTCAP 0
#endif
#ifndef SIGNED_SCALE  // 1: scale may be zero or negative
#define SIGNED_SCALE 0
#endif

// Scores that are more than a positive factor times a product are kept in natural units; else the factor waits until the exponential.
#define NATURAL (BIAS != 0 || SOFTCAP || SIGNED_SCALE)

#if ELEMENT == 2
typedef float element;
#else
typedef u16 element;
#endif

#define DEVICE __device__ __forceinline__

/// One call of attention. Strides count elements. Query i of batch item b stands at position offset(b) + i, where offset is
/// query_offset, or keys(b) - queries with offset_from_lengths. Key j takes part if j < keys(b), j <= position + right
/// (LIMIT_RIGHT), j >= position - left (LIMIT_LEFT), and its bias is not -inf (or zero, where BIAS == 3).
/// score = cap(scale * q . k) + bias. A row in which no key takes part gives zeros. A finite bias, however low, is no mask.
struct AttentionParams {
    const void *q, *k, *v;  // not read by attention_sm90, which has tensor maps
    void *o;
    const void *bias;     // element (b, h, i, j) at b * bias_batch + h * bias_head + i * bias_row + j
    const void *lengths;  // [batch]; values are cut to 0 ... keys
    float *partial;       // attention_decode: see there
    int *counters;        // attention_sm90 with DYNAMIC: two, zero before the first launch; launches that may overlap need their own
    i64 q_batch, q_head, q_row;
    i64 k_batch, k_head, k_row;
    i64 v_batch, v_head, v_row;
    i64 o_batch, o_head, o_row;
    i64 bias_batch, bias_head, bias_row;
    int batch, heads, group;  // heads of Q; group: heads of Q for each head of K and V
    int queries, keys;
    int head_size, v_head_size;  // as stored, at most HEAD and HEAD_V
    int query_offset, offset_from_lengths;
    int left, right;
    int section;  // attention_sm90: (batch item, head) pairs that are worked on side by side; see README.md
    int splits, split_keys;  // attention_decode: parts of the keys, and keys in each
    float scale, softcap;
};

/// A constant that travels as an argument.
template <bool v> struct Flag { static constexpr bool value = v; };

DEVICE int min_of(int a, int b) { return a < b ? a : b; }
DEVICE int max_of(int a, int b) { return a > b ? a : b; }

DEVICE u32 shared_address(const void *p) { return (u32)__cvta_generic_to_shared(p); }

constexpr float LOG2E = 1.4426950408889634f;
#define MINUS_INFINITY __int_as_float(0xff800000)

DEVICE float exp2_fast(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/// Two floats rounded to ELEMENT (2: bfloat16, unused), `low` at the lower address.
DEVICE u32 pack(float low, float high) {
    u32 r;
#if ELEMENT == 0
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
#else
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
#endif
    return r;
}

DEVICE void store_one(element *to, float x) {
#if ELEMENT == 2
    *to = x;
#else
    *to = (u16)pack(x, 0);
#endif
}

DEVICE float widen(u16 x) {
#if ELEMENT == 0
    float r;
    asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x));
    return r;
#else
    return __uint_as_float((u32)x << 16);
#endif
}
DEVICE float widen(float x) { return x; }
DEVICE float widen_low(u32 x) {
#if ELEMENT == 0
    return widen((u16)(x & 0xffff));
#else
    return __uint_as_float(x << 16);
#endif
}
DEVICE float widen_high(u32 x) {
#if ELEMENT == 0
    return widen((u16)(x >> 16));
#else
    return __uint_as_float(x & 0xffff0000u);
#endif
}

/// Keys of a batch item.
DEVICE int key_count(const AttentionParams &p, int batch) {
#if LENGTHS == 1
    return max_of(0, min_of(((const int *)p.lengths)[batch], p.keys));
#elif LENGTHS == 2
    const i64 n = ((const i64 *)p.lengths)[batch];
    return n < 0 ? 0 : n > p.keys ? p.keys : (int)n;
#else
    return p.keys;
#endif
}

DEVICE int first_position(const AttentionParams &p, int keys) { return p.offset_from_lengths ? keys - p.queries : p.query_offset; }

/// Keys [begin, end) that the query at `position` may see; end <= begin: none. Limits are cut so that sums do not overflow.
DEVICE int end_of_keys(const AttentionParams &p, int keys, int position) {
#if LIMIT_RIGHT
    return min_of(keys, position + p.right + 1);
#else
    return keys;
#endif
}
DEVICE int begin_of_keys(const AttentionParams &p, int position) {
#if LIMIT_LEFT
    return max_of(0, position - p.left);
#else
    return 0;
#endif
}

#if BIAS
#if BIAS == 3
typedef u8 bias_element;
#elif BIAS == 1
typedef element bias_element;
#else
typedef float bias_element;
#endif

/// Two neighbouring elements of the bias, as they lie in memory.
struct BiasPair {
#if BIAS == 2 || (BIAS == 1 && ELEMENT == 2)
    float first, second;
    DEVICE float low() const { return first; }
    DEVICE float high() const { return second; }
#elif BIAS == 1
    u32 both;
    DEVICE float low() const { return widen_low(both); }
    DEVICE float high() const { return widen_high(both); }
#else
    u32 both;
    DEVICE float low() const { return both & 0xff ? 0.0f : MINUS_INFINITY; }
    DEVICE float high() const { return both >> 8 ? 0.0f : MINUS_INFINITY; }
#endif
};

/// Reads the first `count` (clamped to 0 ... 2) of two elements; the others count as zero. The index of the first is even.
DEVICE BiasPair load_bias(const bias_element *at, int count) {
    BiasPair r;
#if BIAS == 2 || (BIAS == 1 && ELEMENT == 2)
    r.first = r.second = 0;
#if BIAS_PAIRS
    if (count >= 2) {
        asm volatile("ld.global.nc.v2.f32 {%0, %1}, [%2];" : "=f"(r.first), "=f"(r.second) : "l"(at));
        return r;
    }
#endif
    if (count >= 1) asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(r.first) : "l"(at));
    if (count >= 2) asm volatile("ld.global.nc.f32 %0, [%1];" : "=f"(r.second) : "l"(at + 1));
#elif BIAS == 1
    r.both = 0;
#if BIAS_PAIRS
    if (count >= 2) {
        asm volatile("ld.global.nc.u32 %0, [%1];" : "=r"(r.both) : "l"(at));
        return r;
    }
#endif
    u16 x = 0, y = 0;
    if (count >= 1) asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(x) : "l"(at));
    if (count >= 2) asm volatile("ld.global.nc.u16 %0, [%1];" : "=h"(y) : "l"(at + 1));
    r.both = x | (u32)y << 16;
#else
#if BIAS_PAIRS
    if (count >= 2) {
        asm volatile("{.reg .u16 x; ld.global.nc.u16 x, [%1]; cvt.u32.u16 %0, x;}" : "=r"(r.both) : "l"(at));
        return r;
    }
#endif
    u32 x = 0, y = 0;
    if (count >= 1) asm volatile("ld.global.nc.u8 %0, [%1];" : "=r"(x) : "l"(at));
    if (count >= 2) asm volatile("ld.global.nc.u8 %0, [%1];" : "=r"(y) : "l"(at + 1));
    r.both = x | y << 8;
#endif
    return r;
}

DEVICE const bias_element *bias_row(const AttentionParams &p, int batch, int head, int query) {
    return (const bias_element *)p.bias + batch * p.bias_batch + head * p.bias_head + query * p.bias_row;
}
#endif

/// A score in natural units.
DEVICE float score_of(const AttentionParams &p, float product, float bias) {
#if SOFTCAP
    // softcap * tanh(x), x = score / softcap, as 1 - 2 / (1 + exp(2 x)): absolute error about softcap * 1e-7. tanh.approx has a
    // relative one of 5e-4, and with a soft cap of 50 that would be percents of a weight.
    const float e = exp2_fast(product * (2 * LOG2E * p.scale / p.softcap));
    float s;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(s) : "f"(1.0f + e));
    s = fmaf(-2.0f * p.softcap, s, p.softcap);
#else
    float s = product * p.scale;
#endif
#if BIAS
    s += bias;
#endif
    return s;
}
