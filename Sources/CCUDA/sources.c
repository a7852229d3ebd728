// The kernels' text inside the program: nothing has to be found at run time.
#include "include/CCUDA.h"

#include <string.h>

#pragma clang diagnostic ignored "-Wc23-extensions"

static const char attention_common_cuh[] = {
#embed "Kernels/attention_common.cuh" suffix(, 0)
};
static const char attention_decode_cu[] = {
#embed "Kernels/attention_decode.cu" suffix(, 0)
};
static const char attention_plain_cu[] = {
#embed "Kernels/attention_plain.cu" suffix(, 0)
};
static const char attention_portable_cu[] = {
#embed "Kernels/attention_portable.cu" suffix(, 0)
};
static const char attention_rows_cu[] = {
#embed "Kernels/attention_rows.cu" suffix(, 0)
};
static const char attention_sm90_cu[] = {
#embed "Kernels/attention_sm90.cu" suffix(, 0)
};
static const char block_gather_cu[] = {
#embed "Kernels/block_gather.cu" suffix(, 0)
};
static const char block_skinny_cu[] = {
#embed "Kernels/block_skinny.cu" suffix(, 0)
};
static const char block_unpack_cu[] = {
#embed "Kernels/block_unpack.cu" suffix(, 0)
};
static const char bulk_copy_cuh[] = {
#embed "Kernels/bulk_copy.cuh" suffix(, 0)
};
static const char channels_cu[] = {
#embed "Kernels/channels.cu" suffix(, 0)
};
static const char conv_common_cuh[] = {
#embed "Kernels/conv_common.cuh" suffix(, 0)
};
static const char conv_copy_cuh[] = {
#embed "Kernels/conv_copy.cuh" suffix(, 0)
};
static const char conv_depthwise_cu[] = {
#embed "Kernels/conv_depthwise.cu" suffix(, 0)
};
static const char conv_direct_cu[] = {
#embed "Kernels/conv_direct.cu" suffix(, 0)
};
static const char conv_integer_cu[] = {
#embed "Kernels/conv_integer.cu" suffix(, 0)
};
static const char conv_integer_direct_cu[] = {
#embed "Kernels/conv_integer_direct.cu" suffix(, 0)
};
static const char conv_integer_finish_cuh[] = {
#embed "Kernels/conv_integer_finish.cuh" suffix(, 0)
};
static const char conv_mma_cu[] = {
#embed "Kernels/conv_mma.cu" suffix(, 0)
};
static const char conv_prepare_cu[] = {
#embed "Kernels/conv_prepare.cu" suffix(, 0)
};
static const char conv_store_cuh[] = {
#embed "Kernels/conv_store.cuh" suffix(, 0)
};
static const char conv_sums_cuh[] = {
#embed "Kernels/conv_sums.cuh" suffix(, 0)
};
static const char copy_parts_cu[] = {
#embed "Kernels/copy_parts.cu" suffix(, 0)
};
static const char division_cuh[] = {
#embed "Kernels/division.cuh" suffix(, 0)
};
static const char dynamic_quantize_cu[] = {
#embed "Kernels/dynamic_quantize.cu" suffix(, 0)
};
static const char elements_cuh[] = {
#embed "Kernels/elements.cuh" suffix(, 0)
};
static const char elementwise_cuh[] = {
#embed "Kernels/elementwise.cuh" suffix(, 0)
};
static const char gather_cu[] = {
#embed "Kernels/gather.cu" suffix(, 0)
};
static const char integer_finish_cuh[] = {
#embed "Kernels/integer_finish.cuh" suffix(, 0)
};
static const char integer_forms_cu[] = {
#embed "Kernels/integer_forms.cu" suffix(, 0)
};
static const char integer_mma_cu[] = {
#embed "Kernels/integer_mma.cu" suffix(, 0)
};
static const char integer_wgmma_cu[] = {
#embed "Kernels/integer_wgmma.cu" suffix(, 0)
};
static const char matrix_sync_cuh[] = {
#embed "Kernels/matrix_sync.cuh" suffix(, 0)
};
static const char norm_cu[] = {
#embed "Kernels/norm.cu" suffix(, 0)
};
static const char online_softmax_cuh[] = {
#embed "Kernels/online_softmax.cuh" suffix(, 0)
};
static const char order_cu[] = {
#embed "Kernels/order.cu" suffix(, 0)
};
static const char pad_cu[] = {
#embed "Kernels/pad.cu" suffix(, 0)
};
static const char pool_cu[] = {
#embed "Kernels/pool.cu" suffix(, 0)
};
static const char product_cuh[] = {
#embed "Kernels/product.cuh" suffix(, 0)
};
static const char product_finish_cu[] = {
#embed "Kernels/product_finish.cu" suffix(, 0)
};
static const char product_mma_cu[] = {
#embed "Kernels/product_mma.cu" suffix(, 0)
};
static const char product_simple_cu[] = {
#embed "Kernels/product_simple.cu" suffix(, 0)
};
static const char product_tiles_cuh[] = {
#embed "Kernels/product_tiles.cuh" suffix(, 0)
};
static const char product_turn_cu[] = {
#embed "Kernels/product_turn.cu" suffix(, 0)
};
static const char product_wgmma_cu[] = {
#embed "Kernels/product_wgmma.cu" suffix(, 0)
};
static const char queue_order_cuh[] = {
#embed "Kernels/queue_order.cuh" suffix(, 0)
};
static const char recurrent_cu[] = {
#embed "Kernels/recurrent.cu" suffix(, 0)
};
static const char reduce_cu[] = {
#embed "Kernels/reduce.cu" suffix(, 0)
};
static const char resize_cu[] = {
#embed "Kernels/resize.cu" suffix(, 0)
};
static const char reverse_sequence_cu[] = {
#embed "Kernels/reverse_sequence.cu" suffix(, 0)
};
static const char rotary_cu[] = {
#embed "Kernels/rotary.cu" suffix(, 0)
};
static const char rows_cuh[] = {
#embed "Kernels/rows.cuh" suffix(, 0)
};
static const char sample_cu[] = {
#embed "Kernels/sample.cu" suffix(, 0)
};
static const char scatter_cu[] = {
#embed "Kernels/scatter.cu" suffix(, 0)
};
static const char skinny_cu[] = {
#embed "Kernels/skinny.cu" suffix(, 0)
};
static const char softmax_cu[] = {
#embed "Kernels/softmax.cu" suffix(, 0)
};
static const char strided_copy_cu[] = {
#embed "Kernels/strided_copy.cu" suffix(, 0)
};
static const char transpose_cu[] = {
#embed "Kernels/transpose.cu" suffix(, 0)
};
static const char units_cuh[] = {
#embed "Kernels/units.cuh" suffix(, 0)
};
static const char wgmma_cuh[] = {
#embed "Kernels/wgmma.cuh" suffix(, 0)
};
static const char wgmma_tile_cuh[] = {
#embed "Kernels/wgmma_tile.cuh" suffix(, 0)
};

#define SOURCE(name, text) {name, text, sizeof text - 1}
static const struct {
    const char *name, *text;
    size_t size;
} sources[] = {
    SOURCE("attention_common.cuh", attention_common_cuh),
    SOURCE("attention_decode.cu", attention_decode_cu),
    SOURCE("attention_plain.cu", attention_plain_cu),
    SOURCE("attention_portable.cu", attention_portable_cu),
    SOURCE("attention_rows.cu", attention_rows_cu),
    SOURCE("attention_sm90.cu", attention_sm90_cu),
    SOURCE("block_gather.cu", block_gather_cu),
    SOURCE("block_skinny.cu", block_skinny_cu),
    SOURCE("block_unpack.cu", block_unpack_cu),
    SOURCE("bulk_copy.cuh", bulk_copy_cuh),
    SOURCE("channels.cu", channels_cu),
    SOURCE("conv_common.cuh", conv_common_cuh),
    SOURCE("conv_copy.cuh", conv_copy_cuh),
    SOURCE("conv_depthwise.cu", conv_depthwise_cu),
    SOURCE("conv_direct.cu", conv_direct_cu),
    SOURCE("conv_integer.cu", conv_integer_cu),
    SOURCE("conv_integer_direct.cu", conv_integer_direct_cu),
    SOURCE("conv_integer_finish.cuh", conv_integer_finish_cuh),
    SOURCE("conv_mma.cu", conv_mma_cu),
    SOURCE("conv_prepare.cu", conv_prepare_cu),
    SOURCE("conv_store.cuh", conv_store_cuh),
    SOURCE("conv_sums.cuh", conv_sums_cuh),
    SOURCE("copy_parts.cu", copy_parts_cu),
    SOURCE("division.cuh", division_cuh),
    SOURCE("dynamic_quantize.cu", dynamic_quantize_cu),
    SOURCE("elements.cuh", elements_cuh),
    SOURCE("elementwise.cuh", elementwise_cuh),
    SOURCE("gather.cu", gather_cu),
    SOURCE("integer_finish.cuh", integer_finish_cuh),
    SOURCE("integer_forms.cu", integer_forms_cu),
    SOURCE("integer_mma.cu", integer_mma_cu),
    SOURCE("integer_wgmma.cu", integer_wgmma_cu),
    SOURCE("matrix_sync.cuh", matrix_sync_cuh),
    SOURCE("norm.cu", norm_cu),
    SOURCE("online_softmax.cuh", online_softmax_cuh),
    SOURCE("order.cu", order_cu),
    SOURCE("pad.cu", pad_cu),
    SOURCE("pool.cu", pool_cu),
    SOURCE("product.cuh", product_cuh),
    SOURCE("product_finish.cu", product_finish_cu),
    SOURCE("product_mma.cu", product_mma_cu),
    SOURCE("product_simple.cu", product_simple_cu),
    SOURCE("product_tiles.cuh", product_tiles_cuh),
    SOURCE("product_turn.cu", product_turn_cu),
    SOURCE("product_wgmma.cu", product_wgmma_cu),
    SOURCE("queue_order.cuh", queue_order_cuh),
    SOURCE("recurrent.cu", recurrent_cu),
    SOURCE("reduce.cu", reduce_cu),
    SOURCE("resize.cu", resize_cu),
    SOURCE("reverse_sequence.cu", reverse_sequence_cu),
    SOURCE("rotary.cu", rotary_cu),
    SOURCE("rows.cuh", rows_cuh),
    SOURCE("sample.cu", sample_cu),
    SOURCE("scatter.cu", scatter_cu),
    SOURCE("skinny.cu", skinny_cu),
    SOURCE("softmax.cu", softmax_cu),
    SOURCE("strided_copy.cu", strided_copy_cu),
    SOURCE("transpose.cu", transpose_cu),
    SOURCE("units.cuh", units_cuh),
    SOURCE("wgmma.cuh", wgmma_cuh),
    SOURCE("wgmma_tile.cuh", wgmma_tile_cuh),
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
