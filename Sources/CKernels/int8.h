// Private to the int8 kernels.
#ifndef CK_INT8_PRIVATE_H
#define CK_INT8_PRIVATE_H

#include "include/ck_int8.h"
#include "product.h"

enum { NR = CK_PANEL };

/// What holds for the columns of a panel, in the tier's own form: made when the first of its rows is put away.
typedef struct int8_panel {
    size_t col;
    uint8_t columns[2048] __attribute__((aligned(64)));
} int8_panel;

/// What a tile's sums are made of and what becomes of them.
typedef struct int8_target {
    const ck_int8_result *to;
    const ck_int8_weights *weights;
    bool is_signed;
    int8_panel *panel;
} int8_target;

static inline const int32_t *int8_sums(const ck_int8_weights *w) {
    return (const int32_t *)(const void *)((const uint8_t *)w->packed + w->depth * ck_round_up(w->n, NR));
}
/// 1 for each row of B that is no padding.
static inline const uint8_t *int8_mask(const ck_int8_weights *w) { return (const uint8_t *)(int8_sums(w) + ck_round_up(w->n, NR)); }

/// Rows [begin, begin + rows) of a tile of sums, whose product's `to` is an int8_target, to rows `row` on of C.
void ck_int8_put(const ck_done *d, size_t begin, size_t rows, size_t row);

void ck_int8_product(const ck_int8_result *c, const ck_blocks *a, bool is_signed, const ck_int8_weights *b, size_t m_begin, size_t m_end,
                     size_t n_begin, size_t n_end);

#endif
