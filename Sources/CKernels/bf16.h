// Private to the bfloat16 kernels: how a product gets the blocks of its A.
#ifndef CK_BF16_PRIVATE_H
#define CK_BF16_PRIVATE_H

#include "include/ck_bf16.h"

/// A as rows in memory, or, where `copy` is set, as rows that it writes: [row, row + rows) x [k, k + depth).
typedef struct ck_bf16_a {
    const uint16_t *rows;
    size_t lda;
    void (*copy)(const void *context, uint16_t *to, size_t stride, size_t row, size_t rows, size_t k, size_t depth);
    const void *context;
    uint16_t *scratch;
} ck_bf16_a;

void ck_bf16_product(const ck_bf16_result *c, const ck_bf16_a *a, const uint16_t *packed, size_t m, size_t k, size_t m_begin, size_t m_end,
                     size_t n_begin, size_t n_end);

#endif
