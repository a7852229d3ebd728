// Private to the kernels with AMX tiles: their target and the one configuration in use.
#ifndef CK_AMX_H
#define CK_AMX_H

#include "internal.h"

#if CK_X86
#define CK_AMX __attribute__((target("amx-tile,amx-bf16,avx512f")))

/// All eight tiles 16 rows of 64 bytes. The process must have asked for the tiles' state (ck_bf16_kernel does).
static inline __attribute__((unused)) CK_AMX void ck_amx_open(void) {
    static const struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {
        .palette = 1, .bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};
    _tile_loadconfig(&config);
}
static inline __attribute__((unused)) CK_AMX void ck_amx_close(void) { _tile_release(); }
#endif

#endif
