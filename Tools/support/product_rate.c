// Rate of the packed float32 product beside a loop of fused multiply-adds in registers, one thread: `Tools/measure products`.
// Prints the loop's GFLOP/s, then for each product m n k, the best share of it over many runs, and the mean share over runs with
// the caches flushed before each.
#include "ck_gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Compiled for this machine (-march=native): the widest vectors that there are.
#if defined(__AVX512F__)
enum { LANES = 16, SUMS = 24 };
#else
enum { LANES = 8, SUMS = 12 };
#endif
typedef float lanes __attribute__((ext_vector_type(LANES)));

static double loop_rate(void) {
    const size_t rounds = 100000;
    double best = 0;
    for (int repeat = 0; repeat < 60; repeat++) {
        lanes sum[SUMS], a = (lanes)(1.0000001f), b = (lanes)(1e-9f);
        for (int i = 0; i < SUMS; i++) sum[i] = (lanes)((float)i);
        __asm__ volatile("" : "+v"(a), "+v"(b));
        const double start = now();
        for (size_t r = 0; r < rounds; r++) {
#pragma clang loop unroll(full)
            for (int i = 0; i < SUMS; i++) sum[i] = __builtin_elementwise_fma(sum[i], a, b);
        }
        for (int i = 1; i < SUMS; i++) sum[0] += sum[i];
        __asm__ volatile("" : "+v"(sum[0]));
        const double rate = 2.0 * (double)rounds * SUMS * LANES / (now() - start) * 1e-9;
        if (rate > best) best = rate;
    }
    return best;
}

static void product(size_t m, size_t n, size_t k, double ceiling) {
    enum { FLUSH = 64 << 20, COLD = 8 };
    float *a = malloc(m * k * 4), *b = malloc(k * n * 4), *c = malloc(m * n * 4), *packed = malloc(ck_gemm_packed_size(k, n) * 4);
    char *flush = malloc(FLUSH);
    void *scratch = malloc(ck_gemm_scratch_bytes(m, (ptrdiff_t)k, 1));
    if (!a || !b || !c || !packed || !flush || !scratch) exit(1);
    for (size_t i = 0; i < m * k; i++) a[i] = (float)(i % 7) - 3;
    for (size_t i = 0; i < k * n; i++) b[i] = (float)(i % 5) - 2;
    ck_gemm_pack_b(packed, b, (ptrdiff_t)n, 1, k, n, 0, (n + ck_gemm_nr() - 1) / ck_gemm_nr());
    const double flops = 2.0 * (double)m * (double)n * (double)k;
    const int runs = flops > 3e8 ? 8 : 400;
    double warm = 1e30, cold = 0;
    for (int r = 0; r < runs + COLD; r++) {
        if (r >= runs) memset(flush, r, FLUSH);
        const double start = now();
        ck_gemm_packed_f32(c, n, a, (ptrdiff_t)k, 1, packed, n, k, 0, m, 0, n, NULL, scratch);
        const double took = now() - start;
        if (r >= runs) cold += took;
        else if (took < warm) warm = took;
    }
    printf("%zu %zu %zu %.3f %.3f\n", m, n, k, flops / warm * 1e-9 / ceiling, flops * COLD / cold * 1e-9 / ceiling);
    free(a), free(b), free(c), free(packed), free(flush), free(scratch);
}

int main(void) {
    static const size_t shapes[][3] = {{512, 512, 512},  {1024, 1024, 1024}, {197, 3072, 768},
                                       {128, 768, 768}, {49, 512, 2048},    {3136, 64, 256}};
    const double ceiling = loop_rate();
    printf("%.1f\n", ceiling);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) product(shapes[i][0], shapes[i][1], shapes[i][2], ceiling);
    return 0;
}
