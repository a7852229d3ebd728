// Rate of the bfloat16 product over threads: `Tools/measure bf16`, with the number of threads.
// Prints the kernel's name, then for each product m n k the GFLOP/s of the best and of the median run; A is bfloat16 already and C too.
#include "ck_bf16.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST = 64, RUNS = 300 };

typedef struct {
    size_t m, n, k, pitch;
    uint16_t *a, *b, *c;
    int threads;
} product;

static product work;
static atomic_int turn, left;
static atomic_bool is_over;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/// Columns are shared out by panels; where there are more threads than that serves, rows by tiles.
static void part(int index) {
    const bool by_rows = work.m >= work.n;
    const size_t unit = 32, all = by_rows ? work.m : work.n, units = (all + unit - 1) / unit;
    size_t begin = units * (size_t)index / (size_t)work.threads * unit, end = units * (size_t)(index + 1) / (size_t)work.threads * unit;
    if (end > all) end = all;
    const ck_bf16_result to = {.c = work.c, .ldc = work.n, .is_bf16 = true, .epilogue = {.alpha = 1}};
    if (by_rows) ck_bf16_gemm(&to, work.a, work.pitch, work.b, work.m, work.k, begin, end, 0, work.n);
    else ck_bf16_gemm(&to, work.a, work.pitch, work.b, work.m, work.k, 0, work.m, begin, end);
}

static void *worker(void *index) {
    for (int seen = 0;;) {
        int t;
        while ((t = atomic_load(&turn)) == seen) {
            if (atomic_load(&is_over)) return NULL;
            __builtin_ia32_pause();
        }
        seen = t;
        part((int)(size_t)index);
        atomic_fetch_sub(&left, 1);
    }
}

static int by_size(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(size_t m, size_t n, size_t k, int threads) {
    const size_t pitch = ck_bf16_pitch(k), packed = ck_bf16_packed_size(k, n);
    work = (product){m, n, k, pitch, aligned_alloc(64, (m * pitch * 2 + 63) / 64 * 64), aligned_alloc(64, (packed * 2 + 63) / 64 * 64),
                     aligned_alloc(64, (m * n * 2 + 63) / 64 * 64), threads};
    if (!work.a || !work.b || !work.c) exit(1);
    for (size_t i = 0; i < m * pitch; i++) work.a[i] = (uint16_t)(0x3f80 + i % 7);
    for (size_t i = 0; i < packed; i++) work.b[i] = (uint16_t)(0x3f00 + i % 5);
    static double times[RUNS];
    for (int r = 0; r < RUNS; r++) {
        const double start = now();
        atomic_store(&left, threads - 1);
        atomic_fetch_add(&turn, 1);
        part(0);
        while (atomic_load(&left) > 0) __builtin_ia32_pause();
        times[r] = now() - start;
    }
    qsort(times, RUNS, sizeof *times, by_size);
    const double flops = 2e-9 * (double)m * (double)n * (double)k;
    printf("%zu %zu %zu %.0f %.0f\n", m, n, k, flops / times[0], flops / times[RUNS / 2]);
    free(work.a), free(work.b), free(work.c);
}

int main(int count, char **arguments) {
    static const size_t shapes[][3] = {{512, 512, 512}, {1024, 1024, 1024}, {2048, 2048, 2048}, {197, 3072, 768}, {197, 768, 3072},
                                       {128, 768, 768}, {3136, 64, 576},    {784, 128, 1152},   {196, 256, 2304}, {49, 512, 4608}, {49, 2048, 512}};
    const int threads = count > 1 ? atoi(arguments[1]) : 1;
    if (threads < 1 || threads > MOST) return 64;
    printf("%s\n", ck_bf16_name());
    pthread_t others[MOST];
    for (int i = 1; i < threads; i++) {
        if (pthread_create(&others[i], NULL, worker, (void *)(size_t)i)) return 1;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) measure(shapes[i][0], shapes[i][1], shapes[i][2], threads);
    atomic_store(&is_over, true);
    for (int i = 1; i < threads; i++) pthread_join(others[i], NULL);
    return 0;
}
