#include "include/CCUDA.h"
#include "loading.h"

#define CUBLASLT(member, name) {offsetof(cameo_cublaslt, member), "cublasLt" name}
static const struct entry entries[] = {
    CUBLASLT(get_version, "GetVersion"),
    CUBLASLT(get_status_string, "GetStatusString"),
    CUBLASLT(create, "Create"),
    CUBLASLT(destroy, "Destroy"),
    CUBLASLT(product_create, "MatmulDescCreate"),
    CUBLASLT(product_destroy, "MatmulDescDestroy"),
    CUBLASLT(product_set, "MatmulDescSetAttribute"),
    CUBLASLT(layout_create, "MatrixLayoutCreate"),
    CUBLASLT(layout_destroy, "MatrixLayoutDestroy"),
    CUBLASLT(layout_set, "MatrixLayoutSetAttribute"),
    CUBLASLT(preference_create, "MatmulPreferenceCreate"),
    CUBLASLT(preference_destroy, "MatmulPreferenceDestroy"),
    CUBLASLT(preference_set, "MatmulPreferenceSetAttribute"),
    CUBLASLT(heuristic, "MatmulAlgoGetHeuristic"),
    CUBLASLT(check, "MatmulAlgoCheck"),
    CUBLASLT(multiply, "Matmul"),
};

const cameo_cublaslt *cameo_cuda_open_cublaslt(const char *names, const char *folders, char *reason, size_t size) {
    return cameo_cuda_open_library(names, folders, entries, sizeof entries / sizeof *entries, sizeof(cameo_cublaslt),
                                   offsetof(cameo_cublaslt, path), reason, size);
}
