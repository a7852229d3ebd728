// Permuting axes and copying strided regions, by element width.
#ifndef CK_TRANSPOSE_H
#define CK_TRANSPOSE_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// out[i0, i1, ...] (contiguous, extents dims[perm[0]], dims[perm[1]], ...) = in[...] (contiguous, extents dims). Elements
/// [begin, end) of the flattened output; width is 1, 2, 4, 8 or 16 bytes; rank <= CK_MAX_RANK. Neighbouring axes that stay
/// together are merged and 2-D blocks go through cache; splitting at multiples of the last two output extents is fastest.
void ck_transpose(void *out, const void *in, size_t width, size_t rank, const size_t *dims, const size_t *perm,
                  size_t begin, size_t end);

/// out[r * out_row + c] = in[c * in_row + r] for r < rows, c < cols, elements of `width` bytes.
void ck_transpose_matrix(void *out, size_t out_row, const void *in, size_t in_row, size_t rows, size_t cols, size_t width);

/// Strided source to contiguous destination: Slice, Expand (stride 0), reversed axes (negative strides). Elements
/// [begin, end) of the flattened destination; strides in elements, `in` points at the element of index 0.
void ck_copy_from_strided(void *out, const void *in, size_t width, size_t rank, const size_t *dims,
                          const ptrdiff_t *in_strides, size_t begin, size_t end);
/// Contiguous source to strided destination: Concat, Pad. Elements [begin, end) of the flattened source.
void ck_copy_to_strided(void *out, const void *in, size_t width, size_t rank, const size_t *dims,
                        const ptrdiff_t *out_strides, size_t begin, size_t end);
/// Fills a strided region with one element (`value`: width bytes).
void ck_fill_strided(void *out, const void *value, size_t width, size_t rank, const size_t *dims,
                     const ptrdiff_t *out_strides, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
