// Throughput of the kernels on one thread, interleaved with OpenBLAS where it has the same operation; best of 7 rounds.
//
// clang -O2 -std=gnu11 -I Sources/CKernels/include -I Sources/CBLAS/include Tests/CKernelChecks/bench.c Sources/CKernels/*.c Sources/CBLAS/blas.c -lm -ldl -lpthread -o /tmp/ck-bench && /tmp/ck-bench
//
// OPENBLAS_CORETYPE in the environment wins over the loader's choice: unset it to measure that.
#include "CBLAS.h"
#include "CKernels.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *data(size_t n) {
    float *p = malloc(n * sizeof *p + 64);
    for (size_t i = 0; i < n; i++) p[i] = (float)(rand() % 2001 - 1000) / 1000;
    return p;
}

/// Runs `statement` for about 20 ms a round, ROUNDS times; `best` becomes the least time of one execution.
#define TIME(best, statement)                                  \
    do {                                                       \
        double start = now();                                  \
        statement;                                             \
        const int reps = (int)(0.02 / (now() - start + 1e-9)) + 1; \
        best = 1e9;                                            \
        for (int round = 0; round < ROUNDS; round++) {         \
            start = now();                                     \
            for (int rep = 0; rep < reps; rep++) {             \
                statement;                                     \
            }                                                  \
            const double took = (now() - start) / reps;        \
            best = took < best ? took : best;                  \
        }                                                      \
    } while (0)

static void gemm(size_t m, size_t n, size_t k, int blas) {
    float *a = data(m * k), *b = data(k * n), *c = data(m * n), *packed = data(ck_gemm_packed_size(k, n) + 64);
    void *scratch = malloc(ck_gemm_scratch_bytes(m, (ptrdiff_t)k, 1));
    const size_t nr = ck_gemm_nr();
    const double flop = 2.0 * (double)m * (double)n * (double)k;
    double ours, theirs = 0, pack, dacc;
    TIME(pack, ck_gemm_pack_b(packed, b, (ptrdiff_t)n, 1, k, n, 0, (n + nr - 1) / nr));
    TIME(ours, ck_gemm_packed_f32(c, n, a, (ptrdiff_t)k, 1, packed, n, k, 0, m, 0, n, NULL, scratch));
    if (blas) TIME(theirs, cameo_sgemm(0, 0, (int64_t)m, (int64_t)n, (int64_t)k, 1, a, (int64_t)k, b, (int64_t)n, 0, c, (int64_t)n));
    TIME(dacc, ck_contract_f32_dacc(c, (ptrdiff_t)n, 1, a, (ptrdiff_t)k, 1, b, (ptrdiff_t)n, 1, n, k, 0, m));
    printf("%-8s gemm %4zu x %4zu x %4zu  %7.1f GFLOP/s  OpenBLAS %7.1f  ratio %.2f  pack B %5.1f GB/s  double contraction %6.1f GFLOP/s\n",
           ck_isa_name(), m, n, k, flop / ours / 1e9, theirs > 0 ? flop / theirs / 1e9 : 0, theirs > 0 ? theirs / ours : 0,
           4.0 * (double)(k * n) / pack / 1e9, flop / dacc / 1e9);
    float *bias = data(n);
    ck_gemm_epilogue gelu = {.alpha = 1, .bias_col = bias, .act = {CK_UNARY_GELU, 0, 0}};
    ck_gemm_epilogue add = {.alpha = 1, .bias_col = bias, .residual = c, .residual_stride = n};
    double with_gelu, with_add;
    TIME(with_gelu, ck_gemm_packed_f32(c, n, a, (ptrdiff_t)k, 1, packed, n, k, 0, m, 0, n, &gelu, scratch));
    TIME(with_add, ck_gemm_packed_f32(c, n, a, (ptrdiff_t)k, 1, packed, n, k, 0, m, 0, n, &add, scratch));
    printf("%-8s   with bias + Gelu %.1f GFLOP/s, with bias + residual in place %.1f GFLOP/s\n", ck_isa_name(), flop / with_gelu / 1e9,
           flop / with_add / 1e9);
    free(a), free(b), free(c), free(packed), free(scratch), free(bias);
}

static void depthwise(ptrdiff_t size, ptrdiff_t kernel, ptrdiff_t stride) {
    const size_t channels = 64;
    const ptrdiff_t out = (size - 1) / stride + 1, pad = kernel / 2;
    const ck_window w = {{1, size, size}, {1, out, out}, {1, kernel, kernel}, {1, stride, stride}, {1, 1, 1}, {0, pad, pad}, {0, pad, pad}};
    float *x = data(channels * (size_t)(size * size)), *y = data(channels * (size_t)(out * out)), *k = data(channels * (size_t)(kernel * kernel));
    void *scratch = malloc(ck_conv_depthwise_scratch_bytes(&w));
    const ck_activation relu = {CK_UNARY_RELU, 0, 0};
    double t;
    TIME(t, ck_conv_depthwise_f32(y, x, k, k, channels, 1, &w, 0, channels, &relu, scratch));
    printf("%-8s depthwise %td x %td, kernel %td, stride %td: %.1f GFLOP/s\n", ck_isa_name(), size, size, kernel, stride,
           2.0 * (double)channels * (double)(out * out * kernel * kernel) / t / 1e9);
    free(x), free(y), free(k), free(scratch);
}

static void attention(size_t sq, size_t skv, size_t d) {
    float *q = data(sq * d), *k = data(skv * d), *v = data(skv * d), *out = data(sq * d);
    void *scratch = malloc(ck_attention_scratch_bytes(d, d));
    const ck_attention p = {.q = q, .q_row = d, .q_length = sq, .group = 1, .part = {{0}, {k, v, d, d, skv}}, .out = out, .out_row = d, .head_size = d, .v_head_size = d, .scale = 0.125f, .left = -1, .right = -1, .valid = skv};
    double t;
    TIME(t, ck_attention_rows(&p, 0, sq, scratch));
    printf("%-8s attention %zu x %zu, head %zu: %.1f GFLOP/s\n", ck_isa_name(), sq, skv, d, 4.0 * (double)(sq * skv * d) / t / 1e9);
    free(q), free(k), free(v), free(out), free(scratch);
}

static void streams(void) {
    enum { ROWS = 512, N = 1024, TOTAL = ROWS * N };
    float *x = data(TOTAL), *y = data(TOTAL), *z = data(TOTAL);
    uint16_t *h = malloc(TOTAL * 2);
    const size_t dims[] = {ROWS, N}, perm[] = {1, 0};
    const ptrdiff_t strides[] = {N, 1}, row[] = {0, 1};
    double t;
#define GBS(name, bytes, statement)                                                                          \
    TIME(t, statement);                                                                                      \
    printf("%-8s %-22s %6.1f GB/s  %6.3f ns/element\n", ck_isa_name(), name, (bytes) * (double)TOTAL / t / 1e9, t / TOTAL * 1e9)
    GBS("exp", 8.0, ck_unary_f32(CK_UNARY_EXP, y, x, TOTAL, 0, 0));
    GBS("tanh", 8.0, ck_unary_f32(CK_UNARY_TANH, y, x, TOTAL, 0, 0));
    GBS("sigmoid", 8.0, ck_unary_f32(CK_UNARY_SIGMOID, y, x, TOTAL, 0, 0));
    GBS("erf", 8.0, ck_unary_f32(CK_UNARY_ERF, y, x, TOTAL, 0, 0));
    GBS("gelu", 8.0, ck_unary_f32(CK_UNARY_GELU, y, x, TOTAL, 0, 0));
    GBS("add", 12.0, ck_binary_f32(CK_BINARY_ADD, z, x, y, 2, dims, strides, strides, 0, TOTAL, NULL));
    GBS("add row, broadcast", 8.0, ck_binary_f32(CK_BINARY_ADD, z, x, y, 2, dims, strides, row, 0, TOTAL, NULL));
    GBS("softmax, rows of 1024", 8.0, ck_softmax_f32(y, x, N, 0, ROWS, 1, NULL, 0, false));
    GBS("layer norm", 8.0, ck_layernorm_f32(y, x, NULL, NULL, z, z, N, 1e-5f, 0, ROWS, NULL, NULL));
    GBS("transpose", 8.0, ck_transpose(y, x, 4, 2, dims, perm, 0, TOTAL));
    GBS("reduce sum, rows", 4.0, ck_reduce_f32(CK_REDUCE_SUM, z, x, N, 1, 0, ROWS));
    GBS("reduce sum, columns", 4.0, ck_reduce_f32(CK_REDUCE_SUM, z, x, ROWS, N, 0, N));
    GBS("f32 to f16", 6.0, ck_f32_to_f16(h, x, TOTAL));
    free(x), free(y), free(z), free(h);
}

int main(void) {
    const int blas = cblas_loader_open();
    printf("OpenBLAS core %s; features %s\n", blas ? cameo_blas_core() : cameo_blas_error(), ck_isa_feature_names());
    for (int tier = ck_isa_best(); tier >= 0; tier--) {
        ck_isa_select(tier);
        gemm(128, 768, 768, blas);
        gemm(512, 512, 512, blas);
        gemm(197, 768, 3072, blas);
        gemm(64, 3136, 576, blas);
        gemm(1, 4096, 1024, blas);
        depthwise(112, 3, 1);
        depthwise(112, 3, 2);
        depthwise(14, 5, 1);
        attention(512, 512, 64);
        attention(1, 2048, 64);
        streams();
    }
    return 0;
}
