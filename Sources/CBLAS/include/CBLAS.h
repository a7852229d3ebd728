// BLAS entry points, loaded at run time so that the right OpenBLAS core is chosen first.
//
// Debian's OpenBLAS 0.3.21 falls back to SSE3 kernels on CPUs that it does not know; OPENBLAS_CORETYPE, read when the
// library loads, corrects that. The loader sets it from cpuid unless the user has, and OPENBLAS_NUM_THREADS=1 likewise
// (callers bring their own threads). Libraries tried: $CAMEO_BLAS, libopenblas.so.0, libopenblas.so, libblas.so.3.
// CAMEO_BLAS=none loads nothing.
#ifndef CBLAS_LOADER_H
#define CBLAS_LOADER_H

#include <stdint.h>

#pragma clang assume_nonnull begin

/// Loads the library; 1 if the three entry points below can be called, 0 if not (see `cameo_blas_error`). Idempotent,
/// safe from several threads. It calls setenv on its first call: make that before threads that read the environment start.
int32_t cblas_loader_open(void);
/// Name of the core whose kernels OpenBLAS runs ("SkylakeX"), "" where the library does not say or is not loaded.
const char *cameo_blas_core(void);
/// OpenBLAS's build configuration, or "".
const char *cameo_blas_config(void);
/// Path of the loaded library, or "".
const char *cameo_blas_path(void);
/// Why loading failed, or "".
const char *cameo_blas_error(void);

/// Row-major C = alpha op(A) op(B) + beta C, op(A) is m x k, op(B) k x n; trans != 0 transposes. Leading dimensions are
/// row strides of the matrices as stored. Requires a successful `cblas_loader_open`. beta = 0 does not read C.
void cameo_sgemm(int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                 int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
void cameo_dgemm(int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                 int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
/// Row-major y = alpha op(A) x + beta y, A stored m x n, increments 1.
void cameo_sgemv(int32_t trans, int64_t m, int64_t n, float alpha, const float *a, int64_t lda, const float *x, float beta,
                 float *y);

#pragma clang assume_nonnull end
#endif
