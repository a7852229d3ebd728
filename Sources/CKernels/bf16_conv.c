// Convolutions of channels-last bfloat16 as products: bands of the image in place (band.c); where that is not possible, the rows of A are
// written out.
#include "bf16.h"
#include "internal.h"
#include "window.h"

/// Rows of A written out. Two bfloat16 go as one float: a channel count is even.
typedef struct written {
    ck_last_image pairs;
    size_t depth;  ///< of a row before padding
    uint16_t *copy;
} written;

static size_t written_block(const void *context, ck_block *block, size_t row, size_t end) {
    const written *s = context;
    const size_t k = ck_round_up(s->depth, CK_BF16_DEPTH), pitch = ck_bf16_pitch(k), more = k - s->depth;
    const size_t rows = ck_min(ck_block_rows(end - row, 2 * k), end - row);
    ck_last_copy_rows(&s->pairs, (float *)(void *)s->copy, pitch / 2, row, rows, s->depth / 2);
    for (size_t i = 0; more > 0 && i < rows; i++) memset(s->copy + i * pitch + s->depth, 0, more * sizeof *s->copy);
    *block = (ck_block){.a = (const uint8_t *)s->copy, .lda = 2 * pitch, .rows = rows, .first = row};
    return row + rows;
}

size_t ck_bf16_conv_depth(const ck_window *window, size_t channels, size_t pitch) {
    ck_band b;
    return ck_band_make(&b, window, 2 * channels, 2 * pitch) ? b.depth / 2 : (size_t)window_taps(window) * channels;
}

void ck_bf16_pack_conv(uint16_t *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t padded, const ck_window *window,
                       size_t pitch, size_t panel_begin, size_t panel_end) {
    ck_band b;
    const size_t width = (size_t)window->kernel[2], rows = (size_t)window_taps(window) / width;
    const size_t line = ck_band_make(&b, window, 2 * padded, 2 * pitch) ? b.row / 2 : width * padded;
    ck_bf16_pack_taps(packed, weights, n, channels, padded, rows, width, line, rows * line, panel_begin, panel_end);
}

size_t ck_bf16_conv_scratch_bytes(const ck_window *window, size_t channels, size_t pitch, size_t m) {
    ck_band b;
    if (ck_band_make(&b, window, 2 * channels, 2 * pitch)) return ck_band_scratch_bytes(&b);
    const size_t k = ck_round_up((size_t)window_taps(window) * channels, CK_BF16_DEPTH);
    return ck_min(m, ck_block_most(2 * k)) * ck_bf16_pitch(k) * sizeof(uint16_t) + 64;
}

void ck_bf16_conv(const ck_bf16_result *c, const ck_bf16_image *image, const uint16_t *packed, size_t m, size_t m_begin, size_t m_end,
                  size_t n_begin, size_t n_end, void *scratch) {
    ck_band b;
    if (ck_band_make(&b, &image->window, 2 * image->channels, 2 * image->pitch)) {
        const ck_image bytes = {.in = (const uint8_t *)image->in, .pitch = 2 * image->pitch, .channels = 2 * image->channels,
                                .item = 2 * image->item, .window = &image->window};
        ck_band_forget(scratch);
        ck_band_open(&b, &bytes, scratch);
        ck_bf16_product(c, &(ck_blocks){ck_band_next, &b}, packed, m, b.depth / 2, m_begin, m_end, n_begin, n_end);
        return;
    }
    const size_t k = (size_t)window_taps(&image->window) * image->channels;
    const written rows = {.pairs = {.in = (const CK_U(float) *)(const void *)image->in, .pitch = image->pitch / 2,
                                    .channels = image->channels / 2, .item = image->item / 2, .window = image->window},
                          .depth = k, .copy = (uint16_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63)};
    ck_bf16_product(c, &(ck_blocks){written_block, &rows}, packed, m, k, m_begin, m_end, n_begin, n_end);
}
