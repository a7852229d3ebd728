// Exact results of the element-wise float32 functions, and how far CKernels is from them.
#ifndef KERNEL_REFERENCE_H
#define KERNEL_REFERENCE_H

#include <stdint.h>

/// A function of ck_unary.h with the parameters it is measured with.
typedef struct kr_function {
    const char *_Nonnull name;
    int32_t op;
    float p0, p1;
} kr_function;

int32_t kr_function_count(void);
kr_function kr_function_at(int32_t index);
/// The function's value in double precision, good to a few double ulp: far below what a float can tell.
double kr_exact(int32_t index, float x);

/// The largest error over a set of inputs. Its unit is the ulp at the exact result: the distance of floats of its exponent,
/// 2^-149 at least. A finite result that is too large for a float is an infinity, and the other way round counts as 2^128.
typedef struct kr_error {
    /// Over results of at least 2^-126, and where it was met.
    double normal;
    float normal_at;
    /// Over smaller results.
    double small;
    float small_at;
    /// Inputs where one of exact and computed result is NaN and the other is not, or where they differ in sign, zeros included.
    uint64_t wrong;
    float wrong_at;
    uint64_t count;
} kr_error;

/// Adds to errors[tier] (0 .. ck_isa_best()) what the inputs with the bits begin, begin + step, ... (count of them, modulo
/// 2^32) give.
void kr_scan(int32_t index, uint32_t begin, uint32_t step, uint64_t count, kr_error *_Nonnull errors);
/// Adds `from` to `into`.
void kr_merge(kr_error *_Nonnull into, const kr_error *_Nonnull from);

#endif
