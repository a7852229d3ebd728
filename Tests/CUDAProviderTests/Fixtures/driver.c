// Stands in for libcuda.so.1: two devices, of which the second has no memory for a context. START: what cuInit returns.
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { OUT_OF_MEMORY = 2, INVALID_VALUE = 1 };
static int contexts, pushed;

int cuInit(unsigned flags) { return flags ? INVALID_VALUE : START; }
int cuDriverGetVersion(int *version) { return *version = 13010, 0; }
int cuDeviceGetCount(int *count) { return *count = 2, 0; }
int cuDeviceGet(int *device, int ordinal) { return *device = 40 + ordinal, 0; }

int cuGetErrorName(int code, const char **name) {
    *name = code == 100 ? "CUDA_ERROR_NO_DEVICE" : code == OUT_OF_MEMORY ? "CUDA_ERROR_OUT_OF_MEMORY" : NULL;
    return *name ? 0 : INVALID_VALUE;
}

int cuGetErrorString(int code, const char **text) {
    *text = code == 100 ? "no CUDA-capable device is detected" : code == OUT_OF_MEMORY ? "out of memory" : NULL;
    return *text ? 0 : INVALID_VALUE;
}

int cuDeviceGetName(char *name, int size, int device) {
    // The second fills all the room that it gets, without a zero.
    if (device == 40) strncpy(name, "Device of paper", size);
    else memset(name, 'x', size);
    return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 16 ? 132 : attribute == 75 ? 9 : attribute == 76 ? device - 40 : -1;
    return 0;
}

int cuDeviceTotalMem_v2(size_t *bytes, int device) { return *bytes = (size_t)(device - 39) << 34, 0; }

int cuDevicePrimaryCtxRetain(void **context, int device) {
    if (device != 40) return OUT_OF_MEMORY;
    contexts++;
    *context = &contexts;
    return 0;
}

int cuDevicePrimaryCtxRelease_v2(int device) { return device == 40 && contexts-- > 0 ? 0 : INVALID_VALUE; }
int cuCtxPushCurrent_v2(void *context) { return context == &contexts ? pushed++, 0 : INVALID_VALUE; }
int cuCtxPopCurrent_v2(void **context) { return *context = &contexts, pushed-- > 0 ? 0 : INVALID_VALUE; }

int cuMemGetInfo_v2(size_t *available, size_t *total) {
    // One context, once pushed: neither is left over from an earlier call.
    if (contexts != 1 || pushed != 1) return INVALID_VALUE;
    *available = (size_t)3 << 32;
    *total = (size_t)1 << 34;
    return 0;
}

// What a probe never calls.
#define UNUSED(name) int name(void) { return INVALID_VALUE; }
UNUSED(cuCtxSetCurrent)
UNUSED(cuMemAlloc_v2)
UNUSED(cuMemFree_v2)
UNUSED(cuMemHostAlloc)
UNUSED(cuMemFreeHost)
UNUSED(cuMemcpyHtoDAsync_v2)
UNUSED(cuMemcpyDtoHAsync_v2)
UNUSED(cuMemcpyDtoDAsync_v2)
UNUSED(cuMemsetD8Async)
UNUSED(cuStreamCreate)
UNUSED(cuStreamDestroy_v2)
UNUSED(cuStreamSynchronize)
UNUSED(cuStreamWaitEvent)
UNUSED(cuStreamBeginCapture_v2)
UNUSED(cuStreamEndCapture)
UNUSED(cuGraphInstantiateWithFlags)
UNUSED(cuGraphLaunch)
UNUSED(cuGraphExecDestroy)
UNUSED(cuGraphDestroy)
UNUSED(cuEventCreate)
UNUSED(cuEventDestroy_v2)
UNUSED(cuEventRecord)
UNUSED(cuEventSynchronize)
UNUSED(cuEventElapsedTime)
UNUSED(cuModuleLoadData)
UNUSED(cuModuleUnload)
UNUSED(cuModuleGetFunction)
UNUSED(cuFuncSetAttribute)
UNUSED(cuOccupancyMaxActiveBlocksPerMultiprocessor)
UNUSED(cuLaunchKernel)
UNUSED(cuLaunchKernelEx)
UNUSED(cuTensorMapEncodeTiled)
