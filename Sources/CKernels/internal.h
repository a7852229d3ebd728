// Private to CKernels: tier selection and small helpers.
//
// A family's .c file is compiled once and holds both its public functions and, under `#ifdef CK_TIER`, a body written
// with the vector types of tier_begin.h. `#define CK_SELF "file.c"` and `#include "tiers.h"` include that body once per
// tier; `CK_CALL(name, args)` calls the body of the tier in use.
#ifndef CK_INTERNAL_H
#define CK_INTERNAL_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "include/ck_unary.h"

#if defined(__x86_64__)
#define CK_X86 1
#include <immintrin.h>
#else
#define CK_X86 0
#endif

extern int ck_tier_value;
int ck_tier_init(void);

static inline int ck_tier(void) {
    const int tier = __atomic_load_n(&ck_tier_value, __ATOMIC_RELAXED);
    return __builtin_expect(tier >= 0, 1) ? tier : ck_tier_init();
}

#if CK_X86
#define CK_CALL(name, ...)                            \
    do {                                              \
        switch (ck_tier()) {                          \
        case 2: name##_avx512(__VA_ARGS__); break;    \
        case 1: name##_avx2(__VA_ARGS__); break;      \
        default: name##_generic(__VA_ARGS__); break;  \
        }                                             \
    } while (0)
#else
#define CK_CALL(name, ...) name##_generic(__VA_ARGS__)
#endif

#define CK_CAT_(a, b) a##b
#define CK_CAT(a, b) CK_CAT_(a, b)

static inline size_t ck_min(size_t a, size_t b) { return a < b ? a : b; }
static inline size_t ck_max(size_t a, size_t b) { return a > b ? a : b; }
static inline size_t ck_round_up(size_t a, size_t b) { return (a + b - 1) / b * b; }
/// Maximum and minimum where a NaN on either side wins (ONNX and numpy).
static inline float ck_fmax(float a, float b) { return a != a ? a : a > b ? a : b; }
static inline float ck_fmin(float a, float b) { return a != a ? a : a < b ? a : b; }

/// The activations that `vactivate` (tier_math.h) knows, none among them.
static inline bool ck_is_vector_activation(int32_t op) {
    switch (op) {
    case CK_UNARY_NONE: case CK_UNARY_RELU: case CK_UNARY_CLIP: case CK_UNARY_HARD_SWISH: case CK_UNARY_HARD_SIGMOID:
    case CK_UNARY_LEAKY_RELU: case CK_UNARY_SIGMOID: case CK_UNARY_SILU: case CK_UNARY_TANH: case CK_UNARY_GELU:
    case CK_UNARY_GELU_TANH: return true;
    default: return false;
    }
}

/// An activation for a kernel that tests for a clamp once: what is none, a clamp, or no vector activation as CK_UNARY_CLIP.
static inline ck_activation ck_clamp_of(const ck_activation *act) {
    if (act->op == CK_UNARY_CLIP || (ck_is_vector_activation(act->op) && act->op != CK_UNARY_NONE && act->op != CK_UNARY_RELU)) return *act;
    return (ck_activation){CK_UNARY_CLIP, act->op == CK_UNARY_RELU ? 0 : -INFINITY, INFINITY};
}

typedef uint32_t ck_u32x4 __attribute__((ext_vector_type(4)));
typedef ck_u32x4 ck_u32x4_at __attribute__((aligned(1), may_alias));

/// out[r * out_row + c] = in[c * in_row + r] for 4 x 4 elements of 4 bytes.
static inline __attribute__((always_inline)) void ck_transpose_4x4(void *out, size_t out_row, const void *in, size_t in_row) {
    const CK_U(uint32_t) *x = in;
    uint32_t *y = out;
    const ck_u32x4 a = *(const ck_u32x4_at *)x, b = *(const ck_u32x4_at *)(x + in_row),
                   c = *(const ck_u32x4_at *)(x + 2 * in_row), d = *(const ck_u32x4_at *)(x + 3 * in_row);
    const ck_u32x4 p = __builtin_shufflevector(a, b, 0, 4, 1, 5), q = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const ck_u32x4 r = __builtin_shufflevector(a, b, 2, 6, 3, 7), s = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(ck_u32x4_at *)y = __builtin_shufflevector(p, q, 0, 1, 4, 5);
    *(ck_u32x4_at *)(y + out_row) = __builtin_shufflevector(p, q, 2, 3, 6, 7);
    *(ck_u32x4_at *)(y + 2 * out_row) = __builtin_shufflevector(r, s, 0, 1, 4, 5);
    *(ck_u32x4_at *)(y + 3 * out_row) = __builtin_shufflevector(r, s, 2, 3, 6, 7);
}

/// A panel of `nr` columns (a multiple of 4; those from `width` on zero) of which each is `channels` x `taps` elements of 4 bytes in memory,
/// the next one `stride` elements on: element (c, t) of column j goes to row t * channels + c, that is panel[row * nr + j].
void ck_pack_columns(void *panel, size_t nr, const void *columns, ptrdiff_t stride, size_t width, size_t channels, size_t taps);

#endif
