// Private to the kernels of weights of few bits: the packed form.
//
// A panel of 16 columns: for each group 16 scales, then the codes of its blocks; behind all groups the zero points, 16 of a group
// (int8 or float); the whole rounded up to 64 bytes. Scales in 16 bits stand in front of each pair of groups, for both. The codes of 32 / bits consecutive k of a column are one 32-bit number, 16 of
// those one vector: byte i has k 4s + i in its s-th `bits`, so that a shift and a mask give four consecutive k.
#ifndef CK_NBITS_PRIVATE_H
#define CK_NBITS_PRIVATE_H

#include "include/ck_isa.h"
#include "include/ck_nbits.h"
#include "internal.h"

enum { NC = CK_NBITS_COLUMNS, LIMBS = 3 };

/// Blocks are what a row of A has a scale for. The last group may be shorter, in whole blocks.
typedef struct nbits_shape {
    size_t block, blocks, per_group, groups, block_bytes, zero_at, panel_bytes;
    bool has_halves;
} nbits_shape;

static inline nbits_shape nbits_shape_of(const ck_nbits *w) {
    // One scale for all k: whole blocks of them, of which fewer than 16 make one.
    const size_t group = w->group < w->k ? w->group : ck_round_up(w->k, 16);
    nbits_shape s;
    s.block = group % 64 == 0 ? 64 : group % 32 == 0 ? 32 : 16;
    s.blocks = (w->k + s.block - 1) / s.block;
    s.per_group = group / s.block;
    s.groups = (s.blocks + s.per_group - 1) / s.per_group;
    s.block_bytes = s.block * (size_t)w->bits / 8 * NC;
    s.has_halves = w->has_halves;
    const size_t zero_bytes = w->zeros == CK_NBITS_INT8_ZEROS ? NC : w->zeros == CK_NBITS_FLOAT_ZEROS ? NC * 4 : 0;
    s.zero_at = s.blocks * s.block_bytes + (w->has_halves ? (s.groups + 1) / 2 : s.groups) * NC * 4;
    s.panel_bytes = ck_round_up(s.zero_at + s.groups * zero_bytes, 64);
    return s;
}

/// Where a panel's group has its scales, if `*from` is behind the group in front of it; moves that on to the group's codes.
static inline size_t nbits_scales_at(const nbits_shape *s, size_t group, size_t *from) {
    if (s->has_halves && group % 2) return *from - s->per_group * s->block_bytes - NC * 2;
    *from += NC * 4;
    return *from - NC * 4;
}

/// A row of A for VNNI: for each block LIMBS * block bytes, high limb first, then this; behind all blocks a float a group: its sum.
typedef struct nbits_tail {
    /// What the sums of each limb begin with: -2^(bits - 1) times the limb's own sum.
    int32_t start[LIMBS];
    float scale;
} nbits_tail;

static inline size_t nbits_record(const nbits_shape *s) { return LIMBS * s->block + sizeof(nbits_tail); }

/// True where rows of A are bytes.
bool ck_nbits_is_integer(const ck_nbits *w);
void ck_nbits_rows_vnni(uint8_t *rows, const ck_nbits *w, const CK_U(float) *a, size_t lda, size_t begin, size_t end);
void ck_nbits_run_vnni(const ck_nbits *w, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy, const CK_U(float) *bias,
                       size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end);

#endif
