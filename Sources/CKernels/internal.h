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

#endif
