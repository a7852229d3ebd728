// Private to the kernels with AMX tiles: their target and the one configuration in use.
#ifndef CK_AMX_H
#define CK_AMX_H

#include "product.h"

#if CK_X86
#define CK_AMX __attribute__((target("amx-tile,amx-bf16,amx-int8,avx512f")))

/// All eight tiles 16 rows of 64 bytes. The process must have asked for the tiles' state (ck_bf16_kernel does).
static inline __attribute__((unused)) CK_AMX void ck_amx_open(void) {
    static const struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {
        .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
}
static inline __attribute__((unused)) CK_AMX void ck_amx_close(void) { _tile_release(); }

/// For a tile of sums: tiles 0, 1 and 4 hold the first 16 of its rows, 2, 3 and 5 the others, 6 and 7 columns of B: 64 bytes a row.
static inline __attribute__((unused)) CK_AMX void ck_amx_configure(const ck_tile *t) {
    if (*t->configured == t->rows) return;
    *t->configured = t->rows;
    const uint8_t first = (uint8_t)ck_min(t->rows, 16), other = (uint8_t)(t->rows > 16 ? t->rows - 16 : 1);
    const struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {
        .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {first, first, other, other, first, other, 16, 16}};
    _tile_loadconfig(&config);
}

/// Rows of the tile before that are put to C meanwhile, and those of each step, until none is left: the vector units would wait for the tiles
/// otherwise. Four at least: putting a row alone costs three times as much.
static inline __attribute__((unused)) size_t ck_amx_waiting(const ck_tile *t) { return t->before ? t->before->rows : 0; }
static inline __attribute__((unused)) size_t ck_amx_share(const ck_tile *t, size_t waiting) {
    return ck_round_up((waiting + t->count - 1) / t->count, 4);
}
static inline __attribute__((always_inline, unused)) CK_AMX size_t ck_amx_put(const ck_tile *t, size_t begin, size_t all, size_t share) {
    const size_t end = ck_min(all, begin + share);
    if (begin < end) ck_put_rows(t->before, begin, end);
    return end;
}
#endif

#endif
