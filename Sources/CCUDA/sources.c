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
static const char rows[] = {
#embed "Kernels/rows.cuh" suffix(, 0)
};
static const char softmax[] = {
#embed "Kernels/softmax.cu" suffix(, 0)
};
static const char norm[] = {
#embed "Kernels/norm.cu" suffix(, 0)
};
static const char channels[] = {
#embed "Kernels/channels.cu" suffix(, 0)
};
static const char reduce[] = {
#embed "Kernels/reduce.cu" suffix(, 0)
};
static const char order[] = {
#embed "Kernels/order.cu" suffix(, 0)
};
static const char pool[] = {
#embed "Kernels/pool.cu" suffix(, 0)
};
static const char resize[] = {
#embed "Kernels/resize.cu" suffix(, 0)
};
static const char sample[] = {
#embed "Kernels/sample.cu" suffix(, 0)
};
static const char rotary[] = {
#embed "Kernels/rotary.cu" suffix(, 0)
};
static const char recurrent[] = {
#embed "Kernels/recurrent.cu" suffix(, 0)
};
static const char product[] = {
#embed "Kernels/product.cuh" suffix(, 0)
};
static const char product_finish[] = {
#embed "Kernels/product_finish.cu" suffix(, 0)
};
static const char product_mma[] = {
#embed "Kernels/product_mma.cu" suffix(, 0)
};
static const char product_simple[] = {
#embed "Kernels/product_simple.cu" suffix(, 0)
};
static const char product_turn[] = {
#embed "Kernels/product_turn.cu" suffix(, 0)
};
static const char skinny[] = {
#embed "Kernels/skinny.cu" suffix(, 0)
};
static const char block_gather[] = {
#embed "Kernels/block_gather.cu" suffix(, 0)
};
static const char block_skinny[] = {
#embed "Kernels/block_skinny.cu" suffix(, 0)
};
static const char block_unpack[] = {
#embed "Kernels/block_unpack.cu" suffix(, 0)
};
static const char integer_finish[] = {
#embed "Kernels/integer_finish.cuh" suffix(, 0)
};
static const char integer_forms[] = {
#embed "Kernels/integer_forms.cu" suffix(, 0)
};
static const char integer_mma[] = {
#embed "Kernels/integer_mma.cu" suffix(, 0)
};
static const char product_tiles[] = {
#embed "Kernels/product_tiles.cuh" suffix(, 0)
};
static const char product_wgmma[] = {
#embed "Kernels/product_wgmma.cu" suffix(, 0)
};
static const char division[] = {
#embed "Kernels/division.cuh" suffix(, 0)
};
static const char elementwise[] = {
#embed "Kernels/elementwise.cuh" suffix(, 0)
};
static const char units[] = {
#embed "Kernels/units.cuh" suffix(, 0)
};
static const char strided_copy[] = {
#embed "Kernels/strided_copy.cu" suffix(, 0)
};
static const char copy_parts[] = {
#embed "Kernels/copy_parts.cu" suffix(, 0)
};
static const char transpose[] = {
#embed "Kernels/transpose.cu" suffix(, 0)
};
static const char gather[] = {
#embed "Kernels/gather.cu" suffix(, 0)
};
static const char scatter[] = {
#embed "Kernels/scatter.cu" suffix(, 0)
};
static const char pad[] = {
#embed "Kernels/pad.cu" suffix(, 0)
};
static const char reverse_sequence[] = {
#embed "Kernels/reverse_sequence.cu" suffix(, 0)
};
static const char dynamic_quantize[] = {
#embed "Kernels/dynamic_quantize.cu" suffix(, 0)
};

#define SOURCE(name, ending) {#name "." #ending, name, sizeof name - 1}
static const struct {
    const char *name, *text;
    size_t size;
} sources[] = {
    SOURCE(elements, cuh),
    SOURCE(attention_common, cuh),
    SOURCE(online_softmax, cuh),
    SOURCE(bulk_copy, cuh),
    SOURCE(wgmma, cuh),
    SOURCE(matrix_sync, cuh),
    SOURCE(attention_sm90, cu),
    SOURCE(attention_portable, cu),
    SOURCE(attention_decode, cu),
    SOURCE(rows, cuh),
    SOURCE(softmax, cu),
    SOURCE(norm, cu),
    SOURCE(channels, cu),
    SOURCE(reduce, cu),
    SOURCE(order, cu),
    SOURCE(pool, cu),
    SOURCE(resize, cu),
    SOURCE(sample, cu),
    SOURCE(rotary, cu),
    SOURCE(recurrent, cu),
    SOURCE(product, cuh),
    SOURCE(product_finish, cu),
    SOURCE(product_mma, cu),
    SOURCE(product_simple, cu),
    SOURCE(product_turn, cu),
    SOURCE(skinny, cu),
    SOURCE(block_gather, cu),
    SOURCE(block_skinny, cu),
    SOURCE(block_unpack, cu),
    SOURCE(integer_finish, cuh),
    SOURCE(integer_forms, cu),
    SOURCE(integer_mma, cu),
    SOURCE(product_tiles, cuh),
    SOURCE(product_wgmma, cu),
    SOURCE(division, cuh),
    SOURCE(elementwise, cuh),
    SOURCE(units, cuh),
    SOURCE(strided_copy, cu),
    SOURCE(copy_parts, cu),
    SOURCE(transpose, cu),
    SOURCE(gather, cu),
    SOURCE(scatter, cu),
    SOURCE(pad, cu),
    SOURCE(reverse_sequence, cu),
    SOURCE(dynamic_quantize, cu),
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
