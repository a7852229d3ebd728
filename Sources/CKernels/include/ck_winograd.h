// Convolution by Winograd's minimal filtering (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015).
#ifndef CK_WINOGRAD_H
#define CK_WINOGRAD_H

#include "ck_last.h"

#pragma clang assume_nonnull begin

/// A 3 x 3 convolution of channels-last images with strides and dilations of 1 whose axis [0] does nothing (kernel and stride 1, no
/// padding), in tiles of `size` x `size` outputs, size 2 or 4. A tile needs (size + 2)^2 multiplications a channel and filter in place of 9 size^2.
/// Tiles count from that of item 0's first position, along lines; those at the right and lower border may be partly outside.
typedef struct ck_winograd {
    ck_last_image image;
    size_t size;
    size_t block;  ///< tiles that are transformed at a time
} ck_winograd;

/// Tiles of `items` images.
size_t ck_winograd_tiles(const ck_window *window, size_t size, size_t items);
/// Floats of the transformed weights, and the weights [n][channels][3][3] as such, those of panels [panel_begin, panel_end) of ck_gemm_nr() filters. Belongs to the tier it was made in.
size_t ck_winograd_packed_size(size_t n, size_t channels, size_t size);
void ck_winograd_pack(float *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t size, size_t panel_begin, size_t panel_end);
/// Bytes that one call needs (any alignment; each thread its own).
size_t ck_winograd_scratch_bytes(size_t channels, size_t size, size_t block);

/// Tiles [begin, end) x filters [n_begin, n_end) into `out` (row stride ldc, a row a position); n_begin a multiple of ck_gemm_nr(), n_end too
/// or n. alpha is 1, beta 0, bias_row null in the epilogue. The bits depend neither on the split nor on `block`.
/// Error against the largest sum |x||w| of an output of the tile: below 1e-6 for size 2, 5e-6 for size 4. NaN and infinities reach all results
/// of the tiles that read them.
void ck_winograd_f32(float *out, size_t ldc, const ck_winograd *conv, const CK_U(float) *packed, size_t begin, size_t end, size_t n_begin,
                     size_t n_end, const ck_gemm_epilogue *epilogue, void *scratch);

#pragma clang assume_nonnull end
#endif
