// Tables of functions from libraries that may not be there.
#define _GNU_SOURCE
#include "include/CCUDA.h"
#include "loading.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRIVER(member, name) {offsetof(cameo_cuda_driver, member), name}
static const struct entry driver_entries[] = {
    DRIVER(initialize, "cuInit"),
    DRIVER(driver_get_version, "cuDriverGetVersion"),
    DRIVER(get_error_name, "cuGetErrorName"),
    DRIVER(get_error_string, "cuGetErrorString"),
    DRIVER(device_get_count, "cuDeviceGetCount"),
    DRIVER(device_get, "cuDeviceGet"),
    DRIVER(device_get_name, "cuDeviceGetName"),
    DRIVER(device_get_attribute, "cuDeviceGetAttribute"),
    DRIVER(device_total_memory, "cuDeviceTotalMem_v2"),
    DRIVER(primary_context_retain, "cuDevicePrimaryCtxRetain"),
    DRIVER(primary_context_release, "cuDevicePrimaryCtxRelease_v2"),
    DRIVER(context_push, "cuCtxPushCurrent_v2"),
    DRIVER(context_pop, "cuCtxPopCurrent_v2"),
    DRIVER(memory_info, "cuMemGetInfo_v2"),
    DRIVER(context_set_current, "cuCtxSetCurrent"),
    DRIVER(memory_allocate, "cuMemAlloc_v2"),
    DRIVER(memory_free, "cuMemFree_v2"),
    DRIVER(host_allocate, "cuMemHostAlloc"),
    DRIVER(host_free, "cuMemFreeHost"),
    DRIVER(upload, "cuMemcpyHtoDAsync_v2"),
    DRIVER(download, "cuMemcpyDtoHAsync_v2"),
    DRIVER(copy, "cuMemcpyDtoDAsync_v2"),
    DRIVER(fill, "cuMemsetD8Async"),
    DRIVER(stream_create, "cuStreamCreate"),
    DRIVER(stream_destroy, "cuStreamDestroy_v2"),
    DRIVER(stream_synchronize, "cuStreamSynchronize"),
    DRIVER(stream_begin_capture, "cuStreamBeginCapture_v2"),
    DRIVER(stream_end_capture, "cuStreamEndCapture"),
    DRIVER(graph_instantiate, "cuGraphInstantiateWithFlags"),
    DRIVER(graph_launch, "cuGraphLaunch"),
    DRIVER(graph_exec_destroy, "cuGraphExecDestroy"),
    DRIVER(graph_destroy, "cuGraphDestroy"),
    DRIVER(event_create, "cuEventCreate"),
    DRIVER(event_destroy, "cuEventDestroy_v2"),
    DRIVER(event_record, "cuEventRecord"),
    DRIVER(event_elapsed, "cuEventElapsedTime"),
    DRIVER(module_load, "cuModuleLoadData"),
    DRIVER(module_unload, "cuModuleUnload"),
    DRIVER(module_function, "cuModuleGetFunction"),
    DRIVER(function_set_attribute, "cuFuncSetAttribute"),
    DRIVER(occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor"),
    DRIVER(launch, "cuLaunchKernel"),
    DRIVER(launch_extended, "cuLaunchKernelEx"),
    DRIVER(tensor_map_tiled, "cuTensorMapEncodeTiled"),
};

#define NVRTC(member, name) {offsetof(cameo_nvrtc, member), name}
static const struct entry nvrtc_entries[] = {
    NVRTC(version, "nvrtcVersion"),
    NVRTC(get_error_string, "nvrtcGetErrorString"),
    NVRTC(supported_architecture_count, "nvrtcGetNumSupportedArchs"),
    NVRTC(supported_architectures, "nvrtcGetSupportedArchs"),
    NVRTC(create, "nvrtcCreateProgram"),
    NVRTC(destroy, "nvrtcDestroyProgram"),
    NVRTC(compile, "nvrtcCompileProgram"),
    NVRTC(log_size, "nvrtcGetProgramLogSize"),
    NVRTC(log, "nvrtcGetProgramLog"),
    NVRTC(image_size, "nvrtcGetCUBINSize"),
    NVRTC(image, "nvrtcGetCUBIN"),
};

#define CUDNN(member, name) {offsetof(cameo_cudnn, member), name}
static const struct entry cudnn_entries[] = {
    CUDNN(version, "cudnnGetVersion"),
    CUDNN(error_string, "cudnnGetErrorString"),
    CUDNN(last_error, "cudnnGetLastErrorString"),
    CUDNN(create, "cudnnCreate"),
    CUDNN(destroy, "cudnnDestroy"),
    CUDNN(set_stream, "cudnnSetStream"),
    CUDNN(create_descriptor, "cudnnBackendCreateDescriptor"),
    CUDNN(destroy_descriptor, "cudnnBackendDestroyDescriptor"),
    CUDNN(finalize, "cudnnBackendFinalize"),
    CUDNN(set, "cudnnBackendSetAttribute"),
    CUDNN(get, "cudnnBackendGetAttribute"),
    CUDNN(execute, "cudnnBackendExecute"),
};

/// The next part of a list separated by ":" into `part`, which holds `size` bytes; 0 at its end. Empty and overlong parts are left out.
static int next_part(const char **list, char *part, size_t size) {
    while (**list) {
        const size_t length = strcspn(*list, ":");
        const char *start = *list;
        *list += length + (start[length] == ':');
        if (length == 0 || length >= size) continue;
        memcpy(part, start, length);
        part[length] = 0;
        return 1;
    }
    return 0;
}

/// What stood in the way of loading, the last word being that of the library that came closest.
struct failure {
    char *reason;
    size_t size;
    int is_specific;
};

__attribute__((format(printf, 2, 3))) static void fail(struct failure *failure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (failure->size) vsnprintf(failure->reason, failure->size, format, arguments);
    va_end(arguments);
    failure->is_specific = 1;
}

/// Fills the table behind `library`; 0, with the reason, where a function is missing.
static int fill(void *library, const char *name, const struct entry *entries, size_t count, char *table, struct failure *failure) {
    for (size_t i = 0; i < count; i++) {
        void *function = dlsym(library, entries[i].name);
        if (!function) {
            fail(failure, "%s has no %s", name, entries[i].name);
            return 0;
        }
        memcpy(table + entries[i].offset, &function, sizeof function);
    }
    return 1;
}

/// Opens `name` in one place and fills the table; 0 where that fails. A library that is not there leaves the reason as it is.
static int load(const char *place, const char *name, const struct entry *entries, size_t count, char *table, size_t path,
                struct failure *failure) {
    void *library = dlopen(place, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        const char *why = dlerror();
        const int is_missing = strchr(place, '/') ? access(place, F_OK) != 0 : !why || strstr(why, "No such file") != NULL;
        if (!is_missing) fail(failure, "%s cannot be loaded: %s", name, why ? why : "for no reason that the system gives");
        return 0;
    }
    Dl_info info;
    const char *found = NULL;
    if (fill(library, name, entries, count, table, failure)) {
        void *function;
        memcpy(&function, table + entries[0].offset, sizeof function);
        found = strdup(dladdr(function, &info) && info.dli_fname ? info.dli_fname : place);
        if (!found) fail(failure, "no memory is left to load %s", name);
    }
    if (!found) {
        dlclose(library);
        return 0;
    }
    memcpy(table + path, &found, sizeof found);
    return 1;
}

static void *open_library(const char *names, const char *folders, const struct entry *entries, size_t count, size_t size,
                          size_t path, struct failure *failure) {
    char *table = calloc(1, size);
    if (!table) {
        fail(failure, "no memory is left");
        return NULL;
    }
    char name[256], folder[3072], place[3400];
    const char *rest = names;
    while (next_part(&rest, name, sizeof name)) {
        for (const char *others = folders; next_part(&others, folder, sizeof folder);) {
            snprintf(place, sizeof place, "%s/%s", folder, name);
            if (load(place, name, entries, count, table, path, failure)) return table;
        }
        if (load(name, name, entries, count, table, path, failure)) return table;
    }
    if (!failure->is_specific) {
        // "a is not there", "neither a nor b is there"
        char list[512] = "";
        int parts = 0;
        for (rest = names; next_part(&rest, name, sizeof name); parts++) {
            const size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%s", parts ? " nor " : "", name);
        }
        if (parts > 1) fail(failure, "neither %s is there", list);
        else fail(failure, "%s is not there", parts ? list : "no library is named, so it");
    }
    free(table);
    return NULL;
}

void *cameo_cuda_open_library(const char *names, const char *folders, const struct entry *entries, size_t count, size_t size, size_t path,
                              char *reason, size_t reason_size) {
    struct failure failure = {reason, reason_size, 0};
    return open_library(names, folders, entries, count, size, path, &failure);
}

const cameo_cuda_driver *cameo_cuda_open_driver(const char *names, const char *folders, char *reason, size_t size) {
    struct failure failure = {reason, size, 0};
    return open_library(names, folders, driver_entries, sizeof driver_entries / sizeof *driver_entries,
                        sizeof(cameo_cuda_driver), offsetof(cameo_cuda_driver, path), &failure);
}

/// NVRTC opens libnvrtc-builtins by name when it first compiles, and wheels up to 13.0 at least have no run path to find it beside
/// NVRTC. One that is loaded already is found by its name. Where it lies elsewhere, NVRTC's own search stands.
static void open_builtins(const cameo_nvrtc *nvrtc) {
    int32_t major = 0, minor = 0;
    const char *end = strrchr(nvrtc->path, '/');
    if (!end || nvrtc->version(&major, &minor) != 0) return;
    char place[4096];
    const int length = snprintf(place, sizeof place, "%.*s/libnvrtc-builtins.so.%d.%d", (int)(end - nvrtc->path), nvrtc->path,
                                (int)major, (int)minor);
    if (length > 0 && (size_t)length < sizeof place) dlopen(place, RTLD_NOW | RTLD_LOCAL);
}

const cameo_nvrtc *cameo_cuda_open_nvrtc(const char *names, const char *folders, char *reason, size_t size) {
    struct failure failure = {reason, size, 0};
    const cameo_nvrtc *nvrtc =
        open_library(names, folders, nvrtc_entries, sizeof nvrtc_entries / sizeof *nvrtc_entries, sizeof(cameo_nvrtc),
                     offsetof(cameo_nvrtc, path), &failure);
    if (nvrtc) open_builtins(nvrtc);
    return nvrtc;
}

const cameo_cudnn *cameo_cuda_open_cudnn(const char *names, const char *folders, char *reason, size_t size) {
    struct failure failure = {reason, size, 0};
    return open_library(names, folders, cudnn_entries, sizeof cudnn_entries / sizeof *cudnn_entries, sizeof(cameo_cudnn),
                        offsetof(cameo_cudnn, path), &failure);
}
