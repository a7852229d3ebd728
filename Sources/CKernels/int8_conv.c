// Convolutions of channels-last 8-bit images as products: bands of the image in place (band.c); where that is not possible, the rows of A are
// written out.
#include "int8.h"
#include "window.h"

typedef struct written {
    const ck_int8_image *image;
    size_t depth, pitch;
    uint8_t *copy;
} written;

/// The taps of one output position, its channels under each.
static void write_row(const ck_int8_image *image, uint8_t *to, size_t position) {
    const ck_window *w = &image->window;
    const size_t outputs = (size_t)window_out(w), channels = image->channels;
    const uint8_t *item = (const uint8_t *)image->in + position / outputs * image->item;
    const ptrdiff_t p = (ptrdiff_t)(position % outputs), ow = p % w->out[2], oh = p / w->out[2] % w->out[1], od = p / w->out[2] / w->out[1];
    for (ptrdiff_t kd = 0; kd < w->kernel[0]; kd++) {
        const ptrdiff_t d = window_at(w, 0, od, kd);
        for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++) {
            const ptrdiff_t h = window_at(w, 1, oh, kh);
            const bool is_inside = d >= 0 && d < w->in[0] && h >= 0 && h < w->in[1];
            const uint8_t *line = item + (is_inside ? (size_t)((d * w->in[1] + h) * w->in[2]) * image->pitch : 0);
            for (ptrdiff_t kw = 0; kw < w->kernel[2]; kw++, to += channels) {
                const ptrdiff_t x = window_at(w, 2, ow, kw);
                if (is_inside && x >= 0 && x < w->in[2]) {
                    memcpy(to, line + (size_t)x * image->pitch, channels);
                } else {
                    memset(to, image->pad, channels);
                }
            }
        }
    }
}

/// Bytes between rows that are written out, such that neighbours do not share sets of the cache.
static size_t pitch_of(size_t depth) { return depth % 512 == 0 ? depth + CK_STEP : depth; }

static size_t written_next(const void *context, ck_block *block, size_t row, size_t end) {
    const written *s = context;
    const size_t rows = ck_min(ck_block_rows(end - row, s->depth), end - row);
    const size_t length = (size_t)window_taps(&s->image->window) * s->image->channels;
    for (size_t i = 0; i < rows; i++) {
        write_row(s->image, s->copy + i * s->pitch, row + i);
        memset(s->copy + i * s->pitch + length, 0, s->depth - length);
    }
    *block = (ck_block){.a = s->copy, .lda = s->pitch, .rows = rows, .first = row};
    return row + rows;
}

size_t ck_int8_conv_scratch_bytes(const ck_window *window, size_t channels, size_t pitch, size_t m) {
    ck_band b;
    if (ck_band_make(&b, window, channels, pitch)) return ck_band_scratch_bytes(&b);
    const size_t depth = ck_int8_filters(window, channels, pitch, 1).depth;
    return ck_min(m, ck_block_most(depth)) * pitch_of(depth) + 64;
}

void ck_int8_conv_begin(void *scratch) { ck_band_forget(scratch); }

void ck_int8_conv(const ck_int8_result *c, const ck_int8_image *image, const ck_int8_weights *filters, size_t m_begin, size_t m_end,
                  size_t n_begin, size_t n_end, void *scratch) {
    ck_band b;
    if (ck_band_make(&b, &image->window, image->channels, image->pitch)) {
        const ck_image bytes = {.in = image->in, .pitch = image->pitch, .channels = image->channels, .item = image->item, .pad = image->pad,
                                .window = &image->window};
        ck_band_open(&b, &bytes, scratch);
        ck_int8_product(c, &(ck_blocks){ck_band_next, &b}, image->is_signed, filters, m_begin, m_end, n_begin, n_end);
        return;
    }
    const written rows = {.image = image, .depth = filters->depth, .pitch = pitch_of(filters->depth),
                          .copy = (uint8_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63)};
    ck_int8_product(c, &(ck_blocks){written_next, &rows}, image->is_signed, filters, m_begin, m_end, n_begin, n_end);
}
