// Common ground of the CKernels headers.
//
// Rules that hold for every function here unless its comment says otherwise:
//  * What is only read may stand at any address: weights lie in the mapped file where its writer put them. `CK_U(float)` is such
//    a float. What is written has the natural alignment of its element type. Sizes, strides and offsets count elements.
//  * No kernel allocates, locks, or starts threads. A kernel with [begin, end) works on that slice of its outer index
//    space only, so that a thread pool may split the work; results do not depend on how it is split.
//  * Arguments are trusted: the caller has checked shapes, bounds and scratch sizes.
//  * Arrays that a kernel writes must not overlap those it reads, unless "may equal" is said (same pointer, not shifted).
#ifndef CK_BASE_H
#define CK_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Largest tensor rank that the N-d kernels take (axes are merged before the limit matters).
#define CK_MAX_RANK 8

typedef float ck_u_float __attribute__((aligned(1)));
typedef double ck_u_double __attribute__((aligned(1)));
typedef int8_t ck_u_int8_t;
typedef uint8_t ck_u_uint8_t;
typedef int16_t ck_u_int16_t __attribute__((aligned(1)));
typedef int32_t ck_u_int32_t __attribute__((aligned(1)));
typedef int64_t ck_u_int64_t __attribute__((aligned(1)));
typedef uint16_t ck_u_uint16_t __attribute__((aligned(1)));
typedef uint32_t ck_u_uint32_t __attribute__((aligned(1)));
typedef uint64_t ck_u_uint64_t __attribute__((aligned(1)));

#define CK_U_(type) ck_u_##type
#define CK_U(type) CK_U_(type)

#endif
