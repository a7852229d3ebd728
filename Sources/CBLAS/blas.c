#define _GNU_SOURCE
#include "include/CBLAS.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 };

typedef void (*sgemm_fn)(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int);
typedef void (*dgemm_fn)(int, int, int, int, int, int, double, const double *, int, const double *, int, double, double *,
                         int);
typedef void (*sgemv_fn)(int, int, int, int, float, const float *, int, const float *, int, float, float *, int);

static struct {
    sgemm_fn sgemm;
    dgemm_fn dgemm;
    sgemv_fn sgemv;
    const char *core;
    const char *config;
    char path[1024];
    char error[512];
    int32_t ready;
} blas = {.core = "", .config = ""};

static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
#include <cpuid.h>

/// The OpenBLAS core name whose kernels suit this CPU, or NULL to let the library choose.
static const char *core_for_cpu(void) {
    uint32_t a, b, c, d, xlo, xhi;
    char vendor[13] = {0};
    __get_cpuid(0, &a, (uint32_t *)&vendor[0], (uint32_t *)&vendor[8], (uint32_t *)&vendor[4]);
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> 27 & 1) || !(c >> 12 & 1)) return NULL;
    __asm__ volatile("xgetbv" : "=a"(xlo), "=d"(xhi) : "c"(0));
    if ((xlo & 6) != 6 || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b >> 5 & 1)) return NULL;
    const uint32_t f512 = (1u << 16) | (1u << 17) | (1u << 28) | (1u << 30) | (1u << 31);
    // Not "Cooperlake", even with BF16: 0.3.21 rejects the name it prints itself, and its float32 kernels are the same.
    if ((xlo & 0xe6) == 0xe6 && (b & f512) == f512) return "SkylakeX";
    return strcmp(vendor, "AuthenticAMD") && strcmp(vendor, "HygonGenuine") ? "Haswell" : "Zen";
}
#else
static const char *core_for_cpu(void) { return NULL; }
#endif

static void open_library(void) {
    const char *core = core_for_cpu();
    if (core) setenv("OPENBLAS_CORETYPE", core, 0);
    setenv("OPENBLAS_NUM_THREADS", "1", 0);
    const char *user = getenv("CAMEO_BLAS");
    const char *names[] = {"libopenblas.so.0", "libopenblas.so", "libblas.so.3", NULL};
    if (user && *user) {
        names[0] = user;
        names[1] = NULL;
    }
    for (int i = 0; names[i] && !blas.ready; i++) {
        if (!strcmp(names[i], "none")) {
            snprintf(blas.error, sizeof blas.error, "CAMEO_BLAS=none");
            return;
        }
        void *lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (!lib) {
            const char *why = dlerror();
            snprintf(blas.error, sizeof blas.error, "%s", why ? why : names[i]);
            continue;
        }
        blas.sgemm = (sgemm_fn)dlsym(lib, "cblas_sgemm");
        blas.dgemm = (dgemm_fn)dlsym(lib, "cblas_dgemm");
        blas.sgemv = (sgemv_fn)dlsym(lib, "cblas_sgemv");
        if (!blas.sgemm || !blas.dgemm || !blas.sgemv) {
            snprintf(blas.error, sizeof blas.error, "%s: no cblas_sgemm, cblas_dgemm or cblas_sgemv", names[i]);
            dlclose(lib);
            continue;
        }
        char *(*corename)(void) = (char *(*)(void))dlsym(lib, "openblas_get_corename");
        char *(*config)(void) = (char *(*)(void))dlsym(lib, "openblas_get_config");
        void (*threads)(int) = (void (*)(int))dlsym(lib, "openblas_set_num_threads");
        const char *limit = getenv("OPENBLAS_NUM_THREADS");
        if (threads && limit && !strcmp(limit, "1")) threads(1);
        if (corename) blas.core = corename();
        if (config) blas.config = config();
        Dl_info info;
        const char *path = dladdr((void *)blas.sgemm, &info) && info.dli_fname ? info.dli_fname : names[i];
        snprintf(blas.path, sizeof blas.path, "%s", path);
        blas.error[0] = 0;
        blas.ready = 1;
    }
}

int32_t cblas_loader_open(void) {
    pthread_once(&once, open_library);
    return blas.ready;
}

const char *cameo_blas_core(void) { return blas.core; }
const char *cameo_blas_config(void) { return blas.config; }
const char *cameo_blas_path(void) { return blas.path; }
const char *cameo_blas_error(void) { return blas.error; }

void cameo_sgemm(int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                 int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    blas.sgemm(ROW_MAJOR, trans_a ? TRANS : NO_TRANS, trans_b ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a, (int)lda,
               b, (int)ldb, beta, c, (int)ldc);
}

void cameo_dgemm(int32_t trans_a, int32_t trans_b, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                 int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc) {
    blas.dgemm(ROW_MAJOR, trans_a ? TRANS : NO_TRANS, trans_b ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a, (int)lda,
               b, (int)ldb, beta, c, (int)ldc);
}

void cameo_sgemv(int32_t trans, int64_t m, int64_t n, float alpha, const float *a, int64_t lda, const float *x, float beta,
                 float *y) {
    blas.sgemv(ROW_MAJOR, trans ? TRANS : NO_TRANS, (int)m, (int)n, alpha, a, (int)lda, x, 1, beta, y, 1);
}
