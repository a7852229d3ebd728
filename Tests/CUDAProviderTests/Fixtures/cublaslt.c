// Stands in for libcublasLt: every function is there, and only the version tells anything. RECORDS: descriptions are made, and `recorded` is
// what was said of them, in words.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t cublasLtGetVersion(void) { return 130102; }
const char *cublasLtGetStatusString(int status) { return status == 15 ? "CUBLAS_STATUS_NOT_SUPPORTED" : NULL; }

#define UNUSED(name) int cublasLt##name(void) { return 15; }
UNUSED(Create)
UNUSED(Destroy)
#ifdef RECORDS
static char words[4096];
static int things;
#define SAY(...) snprintf(words + strlen(words), sizeof words - strlen(words), __VA_ARGS__)
const char *recorded(void) { return words; }
int cublasLtMatmulDescCreate(void **made, int compute, int scale) {
    words[0] = 0;
    SAY("compute %d scale %d;", compute, scale);
    return *made = &things, things++, 0;
}
int cublasLtMatmulDescDestroy(void *made) { return things--, 0; }
int cublasLtMatmulDescSetAttribute(void *made, int attribute, const void *value, size_t bytes) {
    uint64_t word = 0;
    memcpy(&word, value, bytes);
    SAY(" %d=%llu", attribute, (unsigned long long)word);
    return 0;
}
int cublasLtMatrixLayoutCreate(void **made, int type, uint64_t rows, uint64_t columns, int64_t stride) {
    SAY("; type %d %llux%llu by %lld", type, (unsigned long long)rows, (unsigned long long)columns, (long long)stride);
    return *made = &things, things++, 0;
}
int cublasLtMatrixLayoutDestroy(void *made) { return things--, 0; }
int cublasLtMatrixLayoutSetAttribute(void *made, int attribute, const void *value, size_t bytes) {
    return cublasLtMatmulDescSetAttribute(made, attribute, value, bytes);
}
#else
UNUSED(MatmulDescCreate)
UNUSED(MatmulDescDestroy)
UNUSED(MatmulDescSetAttribute)
UNUSED(MatrixLayoutCreate)
UNUSED(MatrixLayoutDestroy)
UNUSED(MatrixLayoutSetAttribute)
#endif
UNUSED(MatmulPreferenceCreate)
UNUSED(MatmulPreferenceDestroy)
UNUSED(MatmulPreferenceSetAttribute)
UNUSED(MatmulAlgoGetHeuristic)
UNUSED(MatmulAlgoCheck)
#ifndef INCOMPLETE
UNUSED(Matmul)
#endif
