// CUDA without CUDA's headers: the driver and NVRTC, loaded at run time, and the text of the kernels.
//
// Names, constants and signatures are those of NVIDIA's documented C interfaces; only what Cameo calls is declared. A table is
// complete or not handed out at all.
#ifndef CCUDA_H
#define CCUDA_H

#include <stddef.h>
#include <stdint.h>

#include "CUDNN.h"

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
    CAMEO_CUDA_ERROR_OUT_OF_MEMORY = 2,
    CAMEO_CUDA_MULTIPROCESSOR_COUNT = 16,
    CAMEO_CUDA_L2_CACHE_SIZE = 38,
    CAMEO_CUDA_CAPABILITY_MAJOR = 75,
    CAMEO_CUDA_CAPABILITY_MINOR = 76,
    CAMEO_CUDA_SHARED_MEMORY_PER_BLOCK = 97,
    /// Of CUfunction_attribute.
    CAMEO_CUDA_FUNCTION_DYNAMIC_SHARED_MEMORY = 8,
    /// Flags of cuStreamCreate, cuMemHostAlloc, cuStreamBeginCapture.
    CAMEO_CUDA_STREAM_NON_BLOCKING = 1,
    CAMEO_CUDA_HOST_PORTABLE = 1,
    CAMEO_CUDA_CAPTURE_THREAD_LOCAL = 1,
    /// Of CUlaunchAttributeID: the kernel may begin before those in front of it are done.
    CAMEO_CUDA_LAUNCH_PROGRAMMATIC = 6,
};

typedef struct cameo_cuda_context_tag *cameo_cuda_context;
typedef struct cameo_cuda_stream_tag *cameo_cuda_stream;
typedef struct cameo_cuda_event_tag *cameo_cuda_event;
typedef struct cameo_cuda_module_tag *cameo_cuda_module;
typedef struct cameo_cuda_function_tag *cameo_cuda_function;
typedef struct cameo_cuda_graph_tag *cameo_cuda_graph;
typedef struct cameo_cuda_graph_exec_tag *cameo_cuda_graph_exec;
/// CUtensorMap: 128 bytes at an address aligned to 64.
typedef struct cameo_cuda_tensor_map { _Alignas(64) uint64_t words[16]; } cameo_cuda_tensor_map;

/// CUlaunchAttribute: an id of CUlaunchAttributeID and its value.
typedef struct cameo_cuda_launch_attribute {
    uint32_t id, padding;
    uint32_t value, others[15];
} cameo_cuda_launch_attribute;
/// CUlaunchConfig.
typedef struct cameo_cuda_launch_config {
    uint32_t grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
    cameo_cuda_stream _Nullable stream;
    cameo_cuda_launch_attribute *_Nullable attributes;
    uint32_t attribute_count;
} cameo_cuda_launch_config;

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
    int32_t (*context_set_current)(cameo_cuda_context _Nullable context);
    int32_t (*memory_allocate)(uint64_t *address, size_t bytes);
    int32_t (*memory_free)(uint64_t address);
    int32_t (*host_allocate)(void *_Nullable *_Nonnull address, size_t bytes, uint32_t flags);
    int32_t (*host_free)(void *address);
    int32_t (*upload)(uint64_t target, const void *source, size_t bytes, cameo_cuda_stream _Nullable stream);
    int32_t (*download)(void *target, uint64_t source, size_t bytes, cameo_cuda_stream _Nullable stream);
    int32_t (*copy)(uint64_t target, uint64_t source, size_t bytes, cameo_cuda_stream _Nullable stream);
    int32_t (*fill)(uint64_t target, uint8_t value, size_t bytes, cameo_cuda_stream _Nullable stream);
    int32_t (*stream_create)(cameo_cuda_stream _Nullable *_Nonnull stream, uint32_t flags);
    int32_t (*stream_destroy)(cameo_cuda_stream stream);
    int32_t (*stream_synchronize)(cameo_cuda_stream _Nullable stream);
    int32_t (*stream_begin_capture)(cameo_cuda_stream stream, int32_t mode);
    int32_t (*stream_end_capture)(cameo_cuda_stream stream, cameo_cuda_graph _Nullable *_Nonnull graph);
    int32_t (*graph_instantiate)(cameo_cuda_graph_exec _Nullable *_Nonnull made, cameo_cuda_graph graph, uint64_t flags);
    int32_t (*graph_launch)(cameo_cuda_graph_exec graph, cameo_cuda_stream stream);
    int32_t (*graph_exec_destroy)(cameo_cuda_graph_exec graph);
    int32_t (*graph_destroy)(cameo_cuda_graph graph);
    int32_t (*event_create)(cameo_cuda_event _Nullable *_Nonnull event, uint32_t flags);
    int32_t (*event_destroy)(cameo_cuda_event event);
    int32_t (*event_record)(cameo_cuda_event event, cameo_cuda_stream stream);
    int32_t (*event_elapsed)(float *milliseconds, cameo_cuda_event begin, cameo_cuda_event end);
    int32_t (*module_load)(cameo_cuda_module _Nullable *_Nonnull module, const void *image);
    int32_t (*module_unload)(cameo_cuda_module module);
    int32_t (*module_function)(cameo_cuda_function _Nullable *_Nonnull function, cameo_cuda_module module, const char *name);
    int32_t (*function_set_attribute)(cameo_cuda_function function, int32_t attribute, int32_t value);
    int32_t (*occupancy)(int32_t *blocks, cameo_cuda_function function, int32_t threads, size_t shared_bytes);
    /// `extra` ends with a NULL: {1, parameters, 2, bytes, 0} (CU_LAUNCH_PARAM_BUFFER_POINTER, ..._SIZE, ..._END).
    int32_t (*launch)(cameo_cuda_function function, uint32_t grid_x, uint32_t grid_y, uint32_t grid_z, uint32_t block_x, uint32_t block_y,
                      uint32_t block_z, uint32_t shared_bytes, cameo_cuda_stream _Nullable stream, void *_Nullable *_Nullable arguments,
                      void *_Nullable *_Nullable extra);
    int32_t (*launch_extended)(const cameo_cuda_launch_config *config, cameo_cuda_function function, void *_Nullable *_Nullable arguments,
                               void *_Nullable *_Nullable extra);
    int32_t (*tensor_map_tiled)(cameo_cuda_tensor_map *map, int32_t type, uint32_t rank, void *address, const uint64_t *sizes,
                                const uint64_t *strides, const uint32_t *box, const uint32_t *element_strides, int32_t interleave,
                                int32_t swizzle, int32_t promotion, int32_t fill);
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
const cameo_cudnn *_Nullable cameo_cuda_open_cudnn(const char *names, const char *folders, char *reason, size_t size);
const cameo_nvrtc *_Nullable cameo_cuda_open_nvrtc(const char *names, const char *folders, char *reason, size_t size);

#pragma clang assume_nonnull end

#include "cublaslt.h"

#endif
