// The packed form of 8-bit products' right side.
#include "int8.h"
#include "window.h"

ck_int8_weights ck_int8_matrix(size_t k, size_t n) {
    const size_t depth = ck_max(CK_INT8_DEPTH, ck_round_up(k, CK_INT8_DEPTH));
    return (ck_int8_weights){.packed = "", .depth = depth, .n = n, .line = k, .row = depth};
}

ck_int8_weights ck_int8_filters(const ck_window *window, size_t channels, size_t pitch, size_t n) {
    ck_band band;
    if (!ck_band_make(&band, window, channels, pitch)) return ck_int8_matrix((size_t)window_taps(window) * channels, n);
    return (ck_int8_weights){.packed = "", .depth = band.depth, .n = n, .line = (size_t)window->kernel[2] * channels, .row = band.row};
}

size_t ck_int8_packed_bytes(const ck_int8_weights *w) { return ck_round_up(w->n, NR) * (w->depth + sizeof(int32_t)) + w->depth; }

/// Room for everything, zeros.
static int32_t *clear(void *packed, const ck_int8_weights *w) {
    memset(packed, 0, ck_int8_packed_bytes(w));
    ck_int8_weights own = *w;
    own.packed = packed;
    uint8_t *mask = (uint8_t *)(uintptr_t)int8_mask(&own);
    for (size_t p = 0; p < w->depth; p++) mask[p] = p % w->row < w->line;
    return (int32_t *)(uintptr_t)int8_sums(&own);
}

static inline void put(int8_t *packed, int32_t *sums, const ck_int8_weights *w, size_t p, size_t j, int8_t value) {
    packed[j / NR * NR * w->depth + (p / 4 * NR + j % NR) * 4 + p % 4] = value;
    sums[j] += value;
}

void ck_int8_pack(void *packed, const ck_int8_weights *w, const void *b, bool is_signed, ptrdiff_t row_stride, ptrdiff_t col_stride) {
    const uint8_t flip = is_signed ? 0 : 0x80;
    int32_t *sums = clear(packed, w);
    for (size_t j0 = 0; j0 < w->n; j0 += NR) {
        const size_t end = ck_min(w->n, j0 + NR);
        for (size_t p0 = 0; p0 < w->line; p0 += 64) {  // by blocks, so that both sides stay in cache
            for (size_t j = j0; j < end; j++) {
                const uint8_t *column = (const uint8_t *)b + (ptrdiff_t)j * col_stride;
                for (size_t p = p0; p < ck_min(w->line, p0 + 64); p++)
                    put(packed, sums, w, p, j, (int8_t)(column[(ptrdiff_t)p * row_stride] ^ flip));
            }
        }
    }
}

void ck_int8_pack_filters(void *packed, const ck_int8_weights *w, const void *filters, bool is_signed, size_t channels, const ck_window *window) {
    const uint8_t flip = is_signed ? 0 : 0x80, *from = filters;
    const size_t taps = (size_t)window_taps(window), width = (size_t)window->kernel[2];
    // Where rows are written out a row of A is one line of all taps.
    const size_t line = w->row == w->depth ? width * channels : w->row;
    int32_t *sums = clear(packed, w);
    for (size_t j = 0; j < w->n; j++) {
        for (size_t c = 0; c < channels; c++) {
            for (size_t t = 0; t < taps; t++, from++) put(packed, sums, w, t / width * line + t % width * channels + c, j, (int8_t)(*from ^ flip));
        }
    }
}

void ck_int8_corrections(int32_t *add, const ck_int8_weights *w, size_t k, int32_t a_zero, const CK_U(int32_t) *b_zero,
                         const CK_U(int32_t) *bias) {
    const int32_t *sums = int8_sums(w);
    for (size_t j = 0; j < w->n; j++) {
        const uint32_t sum = (uint32_t)sums[j] - (b_zero ? (uint32_t)k * (uint32_t)b_zero[j] : 0);
        add[j] = (int32_t)((bias ? (uint32_t)bias[j] : 0) - (uint32_t)a_zero * sum);
    }
}
