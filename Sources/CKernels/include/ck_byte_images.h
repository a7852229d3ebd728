// Images of bytes: the largest of a window, the nearest position.
#ifndef CK_BYTE_IMAGES_H
#define CK_BYTE_IMAGES_H

#include "ck_base.h"
#include "ck_window.h"

#pragma clang assume_nonnull begin

/// Maximum of the windows over [N][in..][channels]; padding never wins, a window of padding alone gives the least number. Output lines
/// [begin, end) of N * out[0] * out[1], each out[2] x channels.
void ck_last_maxpool_u8(uint8_t *out, const uint8_t *in, bool is_signed, size_t channels, const ck_window *window, size_t begin, size_t end);

/// The same over [planes][in..]: planes [begin, end).
void ck_planes_maxpool_u8(uint8_t *out, const uint8_t *in, bool is_signed, const ck_window *window, size_t begin, size_t end);

/// out[y][x] = in[rows[y]][cols[x]] of elements of `width` bytes: [planes][in_h][in_w] to [planes][out_h][out_w]. Output lines [begin, end) of
/// planes * out_h.
void ck_nearest_bytes(void *out, const void *in, size_t width, size_t in_h, size_t in_w, size_t out_h, size_t out_w, const CK_U(int32_t) *rows,
                      const CK_U(int32_t) *cols, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
