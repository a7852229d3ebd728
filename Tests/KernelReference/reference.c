#include "include/KernelReference.h"

#include "CKernels.h"

#include <math.h>
#include <string.h>

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }
static double silu(double x) { return x * sigmoid(x); }
// No cancellation on the left: 1 + erf(z) = erfc(-z), 1 + tanh(u) = 2 sigmoid(2u).
static double gelu(double x) { return 0.5 * x * erfc(-x * 0.70710678118654752440); }
static double gelu_tanh(double x) { return x * sigmoid(2 * 0.79788456080286535588 * (x + 0.044715 * x * x * x)); }
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }
static double mish(double x) { return x * (x > 40 ? 1 : tanh(log1p(exp(x)))); }
static double elu(double x) { return x < 0 ? expm1(x) : x; }
static double selu(double x) { return (double)1.0507009873554805f * (x < 0 ? (double)1.6732632423543772f * expm1(x) : x); }
static double softsign(double x) { return x / (1 + fabs(x)); }
static double reciprocal(double x) { return 1 / x; }
static double rsqrt(double x) { return 1 / sqrt(x); }
static double square(double x) { return x * x; }

static const struct {
    kr_function function;
    double (*exact)(double);
} table[] = {
    {{"exp", CK_UNARY_EXP, 0, 0}, exp},
    {{"log", CK_UNARY_LOG, 0, 0}, log},
    {{"sqrt", CK_UNARY_SQRT, 0, 0}, sqrt},
    {{"1 / sqrt", CK_UNARY_RSQRT, 0, 0}, rsqrt},
    {{"reciprocal", CK_UNARY_RECIPROCAL, 0, 0}, reciprocal},
    {{"square", CK_UNARY_SQUARE, 0, 0}, square},
    {{"sin", CK_UNARY_SIN, 0, 0}, sin},
    {{"cos", CK_UNARY_COS, 0, 0}, cos},
    {{"tan", CK_UNARY_TAN, 0, 0}, tan},
    {{"tanh", CK_UNARY_TANH, 0, 0}, tanh},
    {{"erf", CK_UNARY_ERF, 0, 0}, erf},
    {{"sigmoid", CK_UNARY_SIGMOID, 0, 0}, sigmoid},
    {{"silu", CK_UNARY_SILU, 1, 0}, silu},
    {{"gelu", CK_UNARY_GELU, 0, 0}, gelu},
    {{"gelu, tanh", CK_UNARY_GELU_TANH, 0, 0}, gelu_tanh},
    {{"mish", CK_UNARY_MISH, 0, 0}, mish},
    {{"softplus", CK_UNARY_SOFTPLUS, 0, 0}, softplus},
    {{"softsign", CK_UNARY_SOFTSIGN, 0, 0}, softsign},
    {{"elu", CK_UNARY_ELU, 1, 0}, elu},
    {{"celu", CK_UNARY_CELU, 1, 0}, elu},
    {{"selu", CK_UNARY_SELU, 1.6732632423543772f, 1.0507009873554805f}, selu},
};

int32_t kr_function_count(void) { return sizeof table / sizeof *table; }
kr_function kr_function_at(int32_t index) { return table[index].function; }
double kr_exact(int32_t index, float x) { return table[index].exact(x); }

/// Distance of floats at x, which is finite. By the exponent's bits: frexp takes as long as the rest.
static double ulp(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 52 & 0x7ff) - 1023;
    bits = (uint64_t)((exponent < -126 ? -126 : exponent) - 23 + 1023) << 52;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void compare(kr_error *e, float x, double want, float got) {
    if (isnan(want) && isnan(got)) return;
    if (isnan(want) || isnan(got) || signbit(want) != (signbit(got) != 0)) {
        if (!e->wrong++) e->wrong_at = x;
        return;
    }
    // What lies past the largest float is one place, its successor.
    const double most = 0x1p128, w = fmax(-most, fmin(most, want)), g = isinf(got) ? copysign(most, got) : got;
    const double error = fabs(g - w) / ulp(fabs(w) == most ? 0x1p127 : w);
    if (fabs(want) >= 0x1p-126) {
        if (error > e->normal) e->normal = error, e->normal_at = x;
    } else if (error > e->small) {
        e->small = error, e->small_at = x;
    }
}

/// A float's place in the row of all floats, the two zeros included.
static int32_t place(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits ^ (bits >> 31 & 0x7fffffff);
}

/// Distances in floats that `compare` need not look at: an error is at most half a step more.
static uint32_t harmless(double known) { return known >= 1.5 ? (uint32_t)(known - 0.5) : 0; }

/// `compare` of n results, most of them by the distance from the nearest float alone.
static void compare_all(kr_error *e, const float *x, const double *want, const float *nearest, const float *got, size_t n) {
    uint32_t normal = harmless(e->normal), small = harmless(e->small);
    for (size_t i = 0; i < n; i++) {
        const int32_t a = place(got[i]), b = place(nearest[i]);
        const uint32_t distance = a > b ? (uint32_t)a - (uint32_t)b : (uint32_t)b - (uint32_t)a, size = (uint32_t)(b ^ b >> 31);
        // Nothing but the sign is wrong in a zero: none of its neighbours is harmless.
        const uint32_t limit = size >= 0x00800000 ? normal : size ? small : 0;
        if (distance > limit || (distance == 0 && (size >= 0x00800000 ? e->normal : e->small) < 0.5)) {
            compare(e, x[i], want[i], got[i]);
            normal = harmless(e->normal), small = harmless(e->small);
        }
    }
    e->count += n;
}

void kr_scan(int32_t index, uint32_t begin, uint32_t step, uint64_t count, kr_error *errors) {
    enum { BLOCK = 1024 };
    const kr_function f = table[index].function;
    const int32_t tiers = ck_isa_best() + 1;
    for (uint64_t done = 0; done < count; done += BLOCK) {
        const size_t n = count - done < BLOCK ? (size_t)(count - done) : BLOCK;
        float in[BLOCK], nearest[BLOCK], out[BLOCK];
        double want[BLOCK];
        for (size_t i = 0; i < n; i++) {
            const uint32_t bits = begin + (uint32_t)(done + i) * step;
            memcpy(in + i, &bits, sizeof bits);
            want[i] = table[index].exact(in[i]);
            nearest[i] = (float)want[i];
        }
        for (int32_t tier = 0; tier < tiers; tier++) {
            ck_unary_f32_in(tier, f.op, out, in, n, f.p0, f.p1);
            compare_all(errors + tier, in, want, nearest, out, n);
        }
    }
}

void kr_merge(kr_error *into, const kr_error *from) {
    if (from->normal > into->normal) into->normal = from->normal, into->normal_at = from->normal_at;
    if (from->small > into->small) into->small = from->small, into->small_at = from->small_at;
    if (!into->wrong) into->wrong_at = from->wrong_at;
    into->wrong += from->wrong;
    into->count += from->count;
}
