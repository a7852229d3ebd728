// Stands in for libcublasLt: every function is there, and only the version tells anything.
#include <stddef.h>

size_t cublasLtGetVersion(void) { return 130102; }
const char *cublasLtGetStatusString(int status) { return status == 15 ? "CUBLAS_STATUS_NOT_SUPPORTED" : NULL; }

#define UNUSED(name) int cublasLt##name(void) { return 15; }
UNUSED(Create)
UNUSED(Destroy)
UNUSED(MatmulDescCreate)
UNUSED(MatmulDescDestroy)
UNUSED(MatmulDescSetAttribute)
UNUSED(MatrixLayoutCreate)
UNUSED(MatrixLayoutDestroy)
UNUSED(MatrixLayoutSetAttribute)
UNUSED(MatmulPreferenceCreate)
UNUSED(MatmulPreferenceDestroy)
UNUSED(MatmulPreferenceSetAttribute)
UNUSED(MatmulAlgoGetHeuristic)
UNUSED(MatmulAlgoCheck)
#ifndef INCOMPLETE
UNUSED(Matmul)
#endif
