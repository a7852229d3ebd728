// Shared by check.c and its parts: random data, buffers with a guard behind them, error tallies.
#ifndef CHECK_SUPPORT_H
#define CHECK_SUPPORT_H

#include "CKernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures;
static uint64_t seed = 88172645463325252ull;

static inline uint32_t rnd(void) {
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32);
}
static inline float uniform(float lo, float hi) { return lo + (hi - lo) * (float)(rnd() >> 8) * 0x1p-24f; }
static inline size_t pick(size_t lo, size_t hi) { return lo + rnd() % (hi - lo + 1); }

/// Exactly n elements, so that a sanitizer sees any access behind them.
static inline void *raw(size_t bytes) { return malloc(bytes ? bytes : 1); }
static inline float *randoms(size_t n, float lo, float hi) {
    float *p = raw(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = uniform(lo, hi);
    return p;
}
static inline float *blanks(size_t n) {
    float *p = raw(n * sizeof *p);
    for (size_t i = 0; i < n; i++) p[i] = NAN;
    return p;
}

typedef struct {
    const char *name;
    double worst, limit;
    size_t count;
} tally;

/// Records |got - want| / max(floor, |want|), NaN and infinities compared as such.
static inline void compare(tally *t, double got, double want, double scale) {
    double e;
    t->count++;
    if (isnan(want) || isnan(got)) {
        e = isnan(want) && isnan(got) ? 0 : INFINITY;
    } else if (isinf(want) || isinf(got)) {
        e = want == got ? 0 : INFINITY;
    } else {
        e = fabs(got - want) / scale;
    }
    if (e > t->limit && t->worst <= t->limit)
        printf("  FIRST MISS %s #%zu: got %.9g want %.9g (error %.3g, limit %.3g)\n", t->name, t->count, got, want, e, t->limit);
    if (e > t->worst) t->worst = e;
}

static inline void report(const tally *t) {
    const int bad = !(t->worst <= t->limit) || t->count == 0;
    printf("%-8s %-28s %10zu values  max error %.3g (limit %.3g)%s\n", ck_isa_name(), t->name, t->count, t->worst, t->limit,
           bad ? "  FAILED" : "");
    failures += bad;
}

static inline void expect(int ok, const char *what) {
    if (ok) return;
    printf("  FAILED %s (%s)\n", what, ck_isa_name());
    failures++;
}

#endif
