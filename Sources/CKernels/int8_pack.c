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

/// Each column's sum of a packed panel.
static void sum_panel(int32_t *sums, const int8_t *panel, size_t depth) {
    int32_t total[NR] = {0};
    for (size_t g = 0; g < depth / 4; g++, panel += 4 * NR) {
        for (int j = 0; j < NR; j++) total[j] += panel[4 * j] + panel[4 * j + 1] + panel[4 * j + 2] + panel[4 * j + 3];
    }
    memcpy(sums, total, sizeof total);
}

/// Rows [4 g, 4 g + 4) of a panel: `count` of them and `cols` columns are there.
static inline __attribute__((always_inline)) void pack_group(uint8_t *out, const uint8_t *b, uint8_t flip, ptrdiff_t row_stride,
                                                             ptrdiff_t col_stride, size_t count, size_t cols) {
    if (count == 4 && row_stride == 1) {
        for (size_t j = 0; j < cols; j++) {
            uint32_t four;
            memcpy(&four, b + (ptrdiff_t)j * col_stride, sizeof four);
            four ^= flip * 0x01010101u;
            memcpy(out + 4 * j, &four, sizeof four);
        }
    } else if (count == 4 && col_stride == 1 && cols == NR) {
        const uint8_t *b1 = b + row_stride, *b2 = b1 + row_stride, *b3 = b2 + row_stride;
        for (int j = 0; j < NR; j++) {
            out[4 * j] = b[j] ^ flip;
            out[4 * j + 1] = b1[j] ^ flip;
            out[4 * j + 2] = b2[j] ^ flip;
            out[4 * j + 3] = b3[j] ^ flip;
        }
    } else {
        for (size_t j = 0; j < cols; j++) {
            for (size_t q = 0; q < count; q++) out[4 * j + q] = b[(ptrdiff_t)q * row_stride + (ptrdiff_t)j * col_stride] ^ flip;
        }
    }
}

void ck_int8_pack(void *packed, const ck_int8_weights *w, const void *b, bool is_signed, ptrdiff_t row_stride, ptrdiff_t col_stride) {
    int32_t *sums = clear(packed, w);
    const uint8_t flip = is_signed ? 0 : 0x80, *from = b;
    uint8_t *panel = packed;
    for (size_t j = 0; j < w->n; j += NR, panel += NR * w->depth) {
        for (size_t p = 0; p < w->line; p += 4)
            pack_group(panel + p * NR, from + (ptrdiff_t)p * row_stride + (ptrdiff_t)j * col_stride, flip, row_stride, col_stride,
                       ck_min(4, w->line - p), ck_min(NR, w->n - j));
        sum_panel(sums + j, (const int8_t *)panel, w->depth);
    }
}

void ck_int8_pack_filters(void *packed, const ck_int8_weights *w, const void *filters, bool is_signed, size_t channels, const ck_window *window) {
    const uint8_t flip = is_signed ? 0 : 0x80, *from = filters;
    const size_t taps = (size_t)window_taps(window), width = (size_t)window->kernel[2];
    // Where rows are written out a row of A is one line of all taps.
    const size_t line = w->row == w->depth ? width * channels : w->row;
    int32_t *sums = clear(packed, w);
    for (size_t j = 0; j < w->n; j++) {
        uint8_t *panel = (uint8_t *)packed + j / NR * NR * w->depth;
        for (size_t c = 0; c < channels; c++) {
            for (size_t t = 0; t < taps; t++, from++) {
                const size_t p = t / width * line + t % width * channels + c;
                panel[(p / 4 * NR + j % NR) * 4 + p % 4] = *from ^ flip;
            }
        }
    }
    for (size_t j = 0; j < w->n; j += NR) sum_panel(sums + j, (const int8_t *)packed + j * w->depth, w->depth);
}

void ck_int8_corrections(int32_t *add, const ck_int8_weights *w, size_t k, int32_t a_zero, const CK_U(int32_t) *b_zero,
                         const CK_U(int32_t) *bias) {
    const int32_t *sums = int8_sums(w);
    for (size_t j = 0; j < w->n; j++) {
        const uint32_t sum = (uint32_t)sums[j] - (b_zero ? (uint32_t)k * (uint32_t)b_zero[j] : 0);
        add[j] = (int32_t)((bias ? (uint32_t)bias[j] : 0) - (uint32_t)a_zero * sum);
    }
}
