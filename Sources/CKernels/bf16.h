// Private to the bfloat16 kernels.
#ifndef CK_BF16_PRIVATE_H
#define CK_BF16_PRIVATE_H

#include "include/ck_bf16.h"
#include "product.h"

/// k before padding.
void ck_bf16_product(const ck_bf16_result *c, const ck_blocks *a, const uint16_t *packed, size_t m, size_t k, size_t m_begin, size_t m_end,
                     size_t n_begin, size_t n_end);

/// Weights [n][channels][rows][width] as packed B of this depth: rows of B are (kernel row, tap, channel) with `padded` channels a tap and `line`
/// rows a kernel row, both even, the others zero. Panels [panel_begin, panel_end).
void ck_bf16_pack_taps(uint16_t *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t padded, size_t rows, size_t width,
                       size_t line, size_t depth, size_t panel_begin, size_t panel_end);

/// The first `depth` columns of rows of a convolution's A.
void ck_last_copy_rows(const ck_last_image *image, float *to, size_t stride, size_t row, size_t rows, size_t depth);

#endif
