// Private to the bfloat16 kernels: how a product gets the blocks of its A.
#ifndef CK_BF16_PRIVATE_H
#define CK_BF16_PRIVATE_H

#include "include/ck_bf16.h"

/// Rows of A that are worked on together: row i begins at a + i * lda, its columns 32 at a time at `steps` from there (NULL: one behind the
/// other). Row i is the position `skip` + i of lines of `line` positions; the first `width` of each line are rows of C, from `first` on; the
/// others are not asked for. `line` 0: row i is row `first` + i of C.
typedef struct ck_bf16_block {
    const uint16_t *a;
    size_t lda, rows;
    const ptrdiff_t *steps;
    size_t first, line, width, skip;
} ck_bf16_block;

/// Where A comes from: the block that begins with row `row` of C, of at most the rows before `end`; the row behind its last. k is the
/// depth with its padding.
typedef struct ck_bf16_a {
    size_t (*block)(const void *context, ck_bf16_block *block, size_t row, size_t end, size_t k);
    const void *context;
} ck_bf16_a;

/// k before padding.
void ck_bf16_product(const ck_bf16_result *c, const ck_bf16_a *a, const uint16_t *packed, size_t m, size_t k, size_t m_begin, size_t m_end,
                     size_t n_begin, size_t n_end);

/// Bytes of A that stay in the second-level cache beside a panel of B.
size_t ck_bf16_block_bytes(void);
/// Rows of A that are such a block: at most, and of `m`, the blocks of like size.
size_t ck_bf16_block_most(size_t k);
size_t ck_bf16_block_rows(size_t m, size_t k);

/// Weights [n][channels][rows][width] as packed B of this depth: rows of B are (kernel row, tap, channel) with `padded` channels a tap and `line`
/// rows a kernel row, the others zero.
void ck_bf16_pack_taps(uint16_t *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t padded, size_t rows, size_t width,
                       size_t line, size_t depth);

/// The first `depth` columns of rows of a convolution's A.
void ck_last_copy_rows(const ck_last_image *image, float *to, size_t stride, size_t row, size_t rows, size_t depth);

#endif
