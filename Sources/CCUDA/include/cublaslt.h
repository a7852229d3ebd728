// cuBLASLt without its headers, loaded at run time. Names, constants and signatures are those of NVIDIA's documented C interface.
#ifndef CCUDA_CUBLASLT_H
#define CCUDA_CUBLASLT_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

enum {
    /// cudaDataType_t.
    CAMEO_CUBLASLT_FLOAT = 0,
    CAMEO_CUBLASLT_DOUBLE = 1,
    CAMEO_CUBLASLT_HALF = 2,
    CAMEO_CUBLASLT_INT8 = 3,
    CAMEO_CUBLASLT_INT32 = 10,
    CAMEO_CUBLASLT_BFLOAT16 = 14,
    CAMEO_CUBLASLT_E4M3 = 28,
    CAMEO_CUBLASLT_E5M2 = 29,
    /// cublasComputeType_t.
    CAMEO_CUBLASLT_COMPUTE_FLOAT = 68,
    CAMEO_CUBLASLT_COMPUTE_DOUBLE = 70,
    CAMEO_CUBLASLT_COMPUTE_INT32 = 72,
    CAMEO_CUBLASLT_COMPUTE_TF32 = 77,
    /// cublasOperation_t.
    CAMEO_CUBLASLT_PLAIN = 0,
    CAMEO_CUBLASLT_TURNED = 1,
    /// cublasLtMatmulDescAttributes_t.
    CAMEO_CUBLASLT_TURN_A = 3,
    CAMEO_CUBLASLT_TURN_B = 4,
    CAMEO_CUBLASLT_EPILOGUE = 7,
    CAMEO_CUBLASLT_BIAS_POINTER = 8,
    CAMEO_CUBLASLT_BIAS_TYPE = 26,
    /// cublasLtMatrixLayoutAttribute_t.
    CAMEO_CUBLASLT_BATCH_COUNT = 5,
    CAMEO_CUBLASLT_BATCH_STRIDE = 6,
    /// cublasLtMatmulPreferenceAttributes_t; those of B, C and D follow that of A.
    CAMEO_CUBLASLT_WORKSPACE_BYTES = 1,
    CAMEO_CUBLASLT_ALIGNMENT_A = 5,
    /// Of cublasLtEpilogue_t.
    CAMEO_CUBLASLT_NOTHING = 1,
    CAMEO_CUBLASLT_RELU = 2,
    CAMEO_CUBLASLT_BIAS = 4,
    CAMEO_CUBLASLT_RELU_BIAS = 6,
    CAMEO_CUBLASLT_GELU_TANH = 32,
    CAMEO_CUBLASLT_GELU_TANH_BIAS = 36,
};

typedef struct cameo_cublaslt_handle_tag *cameo_cublaslt_handle;
typedef struct cameo_cublaslt_product_tag *cameo_cublaslt_product;
typedef struct cameo_cublaslt_layout_tag *cameo_cublaslt_layout;
typedef struct cameo_cublaslt_preference_tag *cameo_cublaslt_preference;

/// cublasLtMatmulAlgo_t.
typedef struct cameo_cublaslt_algorithm {
    uint64_t words[8];
} cameo_cublaslt_algorithm;

/// cublasLtMatmulHeuristicResult_t.
typedef struct cameo_cublaslt_result {
    cameo_cublaslt_algorithm algorithm;
    size_t workspace_bytes;
    int32_t state;
    float waves;
    int32_t reserved[4];
} cameo_cublaslt_result;

/// libcublasLt. Every function but `get_version` and `get_status_string` returns a cublasStatus_t; members carry the names of the functions
/// without "cublasLt".
typedef struct cameo_cublaslt {
    size_t (*get_version)(void);
    const char *_Nullable (*_Nonnull get_status_string)(int32_t status);
    int32_t (*create)(cameo_cublaslt_handle _Nullable *_Nonnull handle);
    int32_t (*destroy)(cameo_cublaslt_handle handle);
    int32_t (*product_create)(cameo_cublaslt_product _Nullable *_Nonnull product, int32_t compute_type, int32_t scale_type);
    int32_t (*product_destroy)(cameo_cublaslt_product product);
    int32_t (*product_set)(cameo_cublaslt_product product, int32_t attribute, const void *value, size_t bytes);
    int32_t (*layout_create)(cameo_cublaslt_layout _Nullable *_Nonnull layout, int32_t type, uint64_t rows, uint64_t columns,
                             int64_t stride);
    int32_t (*layout_destroy)(cameo_cublaslt_layout layout);
    int32_t (*layout_set)(cameo_cublaslt_layout layout, int32_t attribute, const void *value, size_t bytes);
    int32_t (*preference_create)(cameo_cublaslt_preference _Nullable *_Nonnull preference);
    int32_t (*preference_destroy)(cameo_cublaslt_preference preference);
    int32_t (*preference_set)(cameo_cublaslt_preference preference, int32_t attribute, const void *value, size_t bytes);
    int32_t (*heuristic)(cameo_cublaslt_handle handle, cameo_cublaslt_product product, cameo_cublaslt_layout a, cameo_cublaslt_layout b,
                         cameo_cublaslt_layout c, cameo_cublaslt_layout d, cameo_cublaslt_preference preference, int32_t wanted,
                         cameo_cublaslt_result *results, int32_t *found);
    int32_t (*check)(cameo_cublaslt_handle handle, cameo_cublaslt_product product, cameo_cublaslt_layout a, cameo_cublaslt_layout b,
                     cameo_cublaslt_layout c, cameo_cublaslt_layout d, const cameo_cublaslt_algorithm *algorithm,
                     cameo_cublaslt_result *result);
    /// `alpha` and `beta` in host memory, read at the call; all others are device addresses.
    int32_t (*multiply)(cameo_cublaslt_handle handle, cameo_cublaslt_product product, const void *alpha, const void *a,
                        cameo_cublaslt_layout a_layout, const void *b, cameo_cublaslt_layout b_layout, const void *beta, const void *c,
                        cameo_cublaslt_layout c_layout, void *d, cameo_cublaslt_layout d_layout,
                        const cameo_cublaslt_algorithm *_Nullable algorithm, void *_Nullable workspace, size_t workspace_bytes,
                        struct cameo_cuda_stream_tag *_Nullable stream);
    /// Where the library lies.
    const char *path;
} cameo_cublaslt;

/// As cameo_cuda_open_nvrtc does.
const cameo_cublaslt *_Nullable cameo_cuda_open_cublaslt(const char *names, const char *folders, char *reason, size_t size);

#pragma clang assume_nonnull end
#endif
