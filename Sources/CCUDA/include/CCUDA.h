// CUDA without CUDA's headers: the driver and NVRTC, loaded at run time, and the text of the kernels.
//
// Names, constants and signatures are those of NVIDIA's documented C interfaces; only what Cameo calls is declared. A table is
// complete or not handed out at all.
#ifndef CCUDA_H
#define CCUDA_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// MARK: Kernels

/// The text of a file of Kernels/ ("attention_sm90.cu"), with a zero behind its `size` bytes; NULL where there is no such file.
const char *_Nullable cameo_cuda_source(const char *name, size_t *size);
/// The names that `cameo_cuda_source` knows, by index; NULL behind the last.
const char *_Nullable cameo_cuda_source_name(size_t index);

// MARK: Driver

/// Codes of CUresult and attributes of CUdevice_attribute that Cameo tells apart.
enum {
    CAMEO_CUDA_SUCCESS = 0,
    CAMEO_CUDA_ERROR_NO_DEVICE = 100,
    CAMEO_CUDA_MULTIPROCESSOR_COUNT = 16,
    CAMEO_CUDA_CAPABILITY_MAJOR = 75,
    CAMEO_CUDA_CAPABILITY_MINOR = 76,
};

typedef struct cameo_cuda_context_tag *cameo_cuda_context;

/// libcuda.so.1. Every function returns a CUresult; members carry the names of the functions without "cu".
typedef struct cameo_cuda_driver {
    int32_t (*initialize)(uint32_t flags);
    int32_t (*driver_get_version)(int32_t *version);
    int32_t (*get_error_name)(int32_t code, const char *_Nullable *_Nonnull name);
    int32_t (*get_error_string)(int32_t code, const char *_Nullable *_Nonnull text);
    int32_t (*device_get_count)(int32_t *count);
    int32_t (*device_get)(int32_t *device, int32_t ordinal);
    int32_t (*device_get_name)(char *name, int32_t size, int32_t device);
    int32_t (*device_get_attribute)(int32_t *value, int32_t attribute, int32_t device);
    int32_t (*device_total_memory)(size_t *bytes, int32_t device);
    int32_t (*primary_context_retain)(cameo_cuda_context _Nullable *_Nonnull context, int32_t device);
    int32_t (*primary_context_release)(int32_t device);
    int32_t (*context_push)(cameo_cuda_context context);
    int32_t (*context_pop)(cameo_cuda_context _Nullable *_Nonnull context);
    int32_t (*memory_info)(size_t *available, size_t *total);
    /// Where the library lies.
    const char *path;
} cameo_cuda_driver;

// MARK: NVRTC

enum { CAMEO_NVRTC_ERROR_INVALID_OPTION = 5, CAMEO_NVRTC_ERROR_COMPILATION = 6 };

typedef struct cameo_nvrtc_program_tag *cameo_nvrtc_program;

/// libnvrtc. Every function but `get_error_string` returns an nvrtcResult.
typedef struct cameo_nvrtc {
    int32_t (*version)(int32_t *major, int32_t *minor);
    const char *_Nullable (*_Nonnull get_error_string)(int32_t code);
    int32_t (*supported_architecture_count)(int32_t *count);
    int32_t (*supported_architectures)(int32_t *architectures);
    int32_t (*create)(cameo_nvrtc_program _Nullable *_Nonnull program, const char *source, const char *_Nullable name, int32_t headers,
                      const char *_Nullable const *_Nullable header_sources, const char *_Nullable const *_Nullable header_names);
    int32_t (*destroy)(cameo_nvrtc_program _Nullable *_Nonnull program);
    int32_t (*compile)(cameo_nvrtc_program program, int32_t options, const char *_Nullable const *_Nullable texts);
    int32_t (*log_size)(cameo_nvrtc_program program, size_t *size);
    int32_t (*log)(cameo_nvrtc_program program, char *log);
    int32_t (*image_size)(cameo_nvrtc_program program, size_t *size);
    int32_t (*image)(cameo_nvrtc_program program, char *image);
    /// Where the library lies.
    const char *path;
} cameo_nvrtc;

// MARK: Loading

/// Loads the first library of `names` ("libnvrtc.so.13:libnvrtc.so.12"): each is looked for in the folders of `folders` (separated by
/// ":", may be empty), then where the system looks. The table, which lives as long as the process; or NULL, and why not in `reason`,
/// as one clause in words. Safe from several threads; each success takes a table of its own.
const cameo_cuda_driver *_Nullable cameo_cuda_open_driver(const char *names, const char *folders, char *reason, size_t size);
const cameo_nvrtc *_Nullable cameo_cuda_open_nvrtc(const char *names, const char *folders, char *reason, size_t size);

#pragma clang assume_nonnull end
#endif
