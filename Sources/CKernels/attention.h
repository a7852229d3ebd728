// Private to the attention kernels: operands and limits, tiles of keys, the state of an online softmax.
#ifndef CK_ATTENTION_PRIVATE_H
#define CK_ATTENTION_PRIVATE_H

#include "include/ck_attention.h"
#include "include/ck_convert.h"
#include "internal.h"

typedef float ck_f32x4 __attribute__((ext_vector_type(4)));
typedef ck_f32x4 ck_f32x4_at __attribute__((aligned(1), may_alias));

/// What some rows of queries know of the keys so far, and what limits them within a tile of keys.
typedef struct ck_attention_state {
    size_t keys;                // most keys of a tile
    size_t line_size;           // floats in each of the four lines
    float *bias, *line;         // [key][lane], [key] or [row][keys]; four lines of scratch
    float *top, *sum, *shrink;  // of each row: maximum, sum of weights, by what older sums are to be multiplied
    int32_t *from, *to;         // the keys of the tile that each row may see
} ck_attention_state;

static inline const void *ck_attention_element(const void *base, ck_attention_type type, size_t index) {
    return (const char *)base + index * (type == CK_ATTENTION_F32 ? 4 : type == CK_ATTENTION_BOOL ? 1 : 2);
}
/// Where a row begins: query row / group of head row % group.
static inline size_t ck_attention_offset(const ck_attention *p, size_t row, size_t query_stride, size_t head_stride) {
    if (p->group == 1) return row * query_stride;  // a division costs as much as a row of a small tile
    return row / p->group * query_stride + row % p->group * head_stride;
}
static inline const void *ck_attention_query(const ck_attention *p, size_t row, size_t column) {
    return ck_attention_element(p->q, p->q_type, ck_attention_offset(p, row, p->q_row, p->q_head) + column);
}
static inline const void *ck_attention_mask(const ck_attention *p, size_t row, size_t key) {
    return ck_attention_element(p->mask, p->mask_type, ck_attention_offset(p, row, p->mask_row, p->mask_head) + key);
}
static inline void *ck_attention_result(const ck_attention *p, size_t row, size_t column) {
    return (void *)ck_attention_element(p->out, p->out_type, ck_attention_offset(p, row, p->out_row, p->out_head) + column);
}

/// n numbers of any type as float; bools as what is added to a score.
void ck_attention_widen(float *out, const void *in, ck_attention_type type, size_t n);
/// Keys [*lo, *hi) that a row may see.
void ck_attention_visible(const ck_attention *p, size_t row, size_t *lo, size_t *hi);
/// Columns [column, column + n) of an output row.
void ck_attention_store(const ck_attention *p, size_t row, size_t column, size_t n, const CK_U(float) *values);

typedef const void *(*ck_attention_source)(const ck_attention *p, size_t row, size_t column);
/// The rows of `source` from row0, turned: out[c * lanes + r]. Lanes past the last row repeat it.
void ck_attention_turn(const ck_attention *p, const ck_attention_state *s, float *out, size_t lanes, size_t row0, size_t rows,
                       size_t column, size_t n, ck_attention_source source, ck_attention_type type);

/// What a tile of keys is: part, first key in it and over all, how many.
typedef struct ck_attention_tile {
    const ck_attention_keys *part;
    size_t at, key, count;
} ck_attention_tile;

/// The first tile with a key in [from, end). Tiles do not cross the parts' border; they start at multiples of `step` in a part.
bool ck_attention_next_tile(const ck_attention *p, size_t from, size_t end, size_t step, ck_attention_tile *t);

#endif
