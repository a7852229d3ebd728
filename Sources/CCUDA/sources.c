// The kernels' text inside the program: nothing has to be found at run time.
#include "include/CCUDA.h"

#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char elements[] = {
#embed "Kernels/elements.cuh" suffix(, 0)
};
static const char attention_common[] = {
#embed "Kernels/attention_common.cuh" suffix(, 0)
};
static const char online_softmax[] = {
#embed "Kernels/online_softmax.cuh" suffix(, 0)
};
static const char bulk_copy[] = {
#embed "Kernels/bulk_copy.cuh" suffix(, 0)
};
static const char wgmma[] = {
#embed "Kernels/wgmma.cuh" suffix(, 0)
};
static const char matrix_sync[] = {
#embed "Kernels/matrix_sync.cuh" suffix(, 0)
};
static const char attention_sm90[] = {
#embed "Kernels/attention_sm90.cu" suffix(, 0)
};
static const char attention_portable[] = {
#embed "Kernels/attention_portable.cu" suffix(, 0)
};
static const char attention_decode[] = {
#embed "Kernels/attention_decode.cu" suffix(, 0)
};

static const char conv_common[] = {
#embed "Kernels/conv_common.cuh" suffix(, 0)
};
static const char conv_mma[] = {
#embed "Kernels/conv_mma.cu" suffix(, 0)
};
static const char conv_prepare[] = {
#embed "Kernels/conv_prepare.cu" suffix(, 0)
};
static const char conv_direct[] = {
#embed "Kernels/conv_direct.cu" suffix(, 0)
};
static const char conv_depthwise[] = {
#embed "Kernels/conv_depthwise.cu" suffix(, 0)
};

static const char conv_copy[] = {
#embed "Kernels/conv_copy.cuh" suffix(, 0)
};
static const char conv_sums[] = {
#embed "Kernels/conv_sums.cuh" suffix(, 0)
};
static const char conv_store[] = {
#embed "Kernels/conv_store.cuh" suffix(, 0)
};
static const char conv_integer_finish[] = {
#embed "Kernels/conv_integer_finish.cuh" suffix(, 0)
};
static const char conv_integer[] = {
#embed "Kernels/conv_integer.cu" suffix(, 0)
};
static const char conv_integer_direct[] = {
#embed "Kernels/conv_integer_direct.cu" suffix(, 0)
};


#define SOURCE(name, ending) {#name "." #ending, name, sizeof name - 1}
static const struct {
    const char *name, *text;
    size_t size;
} sources[] = {
    SOURCE(elements, cuh),         SOURCE(attention_common, cuh), SOURCE(online_softmax, cuh), SOURCE(bulk_copy, cuh),
    SOURCE(wgmma, cuh),            SOURCE(matrix_sync, cuh),    SOURCE(attention_sm90, cu),
    SOURCE(attention_portable, cu), SOURCE(attention_decode, cu),
    SOURCE(conv_common, cuh), SOURCE(conv_mma, cu), SOURCE(conv_prepare, cu), SOURCE(conv_direct, cu), SOURCE(conv_depthwise, cu),
    SOURCE(conv_copy, cuh),
    SOURCE(conv_sums, cuh),
    SOURCE(conv_store, cuh),
    SOURCE(conv_integer_finish, cuh),
    SOURCE(conv_integer, cu),
    SOURCE(conv_integer_direct, cu),
};
enum { COUNT = sizeof sources / sizeof *sources };

const char *cameo_cuda_source_name(size_t index) { return index < COUNT ? sources[index].name : NULL; }

const char *cameo_cuda_source(const char *name, size_t *size) {
    for (size_t i = 0; i < COUNT; i++) {
        if (strcmp(sources[i].name, name)) continue;
        *size = sources[i].size;
        return sources[i].text;
    }
    *size = 0;
    return NULL;
}
