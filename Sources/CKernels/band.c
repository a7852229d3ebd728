// How convolutions of channels-last images become products: a band of the image is copied once with its padding, and what a kernel row meets
// is an offset into it.
#include "product.h"

static inline ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

static size_t phase_bytes(const ck_band *b, size_t lines) { return (lines + b->halo) * b->pixels * b->channels; }

/// What the last position of a band reads beyond it.
enum { SLACK = CK_STEP };

static size_t band_bytes(const ck_band *b, size_t lines) { return phase_bytes(b, lines) * (size_t)(b->phases[0] * b->phases[1]) + SLACK; }

bool ck_band_make(ck_band *b, const ck_window *w, size_t channels, size_t pitch) {
    if (w->out[0] != 1 || w->kernel[0] != 1 || w->in[0] != 1 || w->pad_begin[0] != 0 || w->out[2] == 0 || channels == 0) return false;
    const size_t out = (size_t)w->out[2], kernel = (size_t)w->kernel[2], stride = (size_t)w->stride[2];
    const ptrdiff_t reach[2] = {(w->kernel[1] - 1) * w->dilation[1], (w->kernel[2] - 1) * w->dilation[2]};
    *b = (ck_band){.window = w, .channels = channels, .joined = channels % CK_STEP != 0, .halo = (size_t)(reach[0] / w->stride[1]),
                    .phases = {least(w->stride[1], reach[0] + 1), 1}};
    if (b->joined) {
        const size_t all = (size_t)w->kernel[1] * kernel * channels;
        b->row = ck_round_up(kernel * channels, CK_STEP);
        b->depth = (size_t)w->kernel[1] * b->row;
        if (pitch != channels || w->dilation[2] != 1 || b->depth > 3 * ck_round_up(all, CK_STEP)) return false;
        b->line = out - 1 + (kernel + stride - 1) / stride;
        b->unit = stride * channels;
        b->pixels = b->line * stride;
    } else {
        b->row = kernel * channels;
        b->depth = (size_t)w->kernel[1] * b->row;
        b->phases[1] = least(w->stride[2], reach[1] + 1);
        b->line = b->pixels = out + (size_t)(reach[1] / w->stride[2]);
        b->unit = channels;
    }
    if (b->line * 3 > out * 4) return false;
    const size_t bytes = b->pixels * channels * (size_t)(b->phases[0] * b->phases[1]), most = ck_block_bytes() / bytes;
    b->lines = ck_min((size_t)w->out[1], most > b->halo + 1 ? most - b->halo : 1);
    return true;
}

/// Line `to` of the padded line `at` of an item, every `step`th pixel from its padded column `column` on.
static void copy_line(const ck_band *b, uint8_t *to, const uint8_t *item, ptrdiff_t at, ptrdiff_t column, ptrdiff_t step) {
    const ck_window *w = b->window;
    const size_t channels = b->channels;
    const ptrdiff_t y = at - w->pad_begin[1], x0 = column - w->pad_begin[2], width = w->in[2];
    if (y < 0 || y >= w->in[1]) {
        memset(to, b->image->pad, b->pixels * channels);
        return;
    }
    // Pixels [lo, hi) of the line are inside the image.
    const ptrdiff_t all = (ptrdiff_t)b->pixels, lo = least(all, x0 >= 0 ? 0 : (-x0 + step - 1) / step);
    const ptrdiff_t inside = least(all, width > x0 ? (width - x0 + step - 1) / step : 0), hi = inside > lo ? inside : lo;
    const uint8_t *from = item + (y * width + x0 + lo * step) * (ptrdiff_t)b->image->pitch;
    const size_t stride = (size_t)step * b->image->pitch;
    memset(to, b->image->pad, (size_t)lo * channels);
    uint8_t *out = to + (size_t)lo * channels;
    if (stride == channels) {
        memcpy(out, from, (size_t)(hi - lo) * channels);
    } else {
        for (ptrdiff_t i = lo; i < hi; i++, out += channels, from += stride) memcpy(out, from, channels);
    }
    memset(to + (size_t)hi * channels, b->image->pad, (size_t)(all - hi) * channels);
}

/// Output lines [first, first + lines) of an item.
static void copy_band(const ck_band *b, const uint8_t *item, size_t first, size_t lines) {
    const ck_window *w = b->window;
    uint8_t *to = b->copy;
    for (ptrdiff_t py = 0; py < b->phases[0]; py++) {
        for (ptrdiff_t px = 0; px < b->phases[1]; px++) {
            for (size_t i = 0; i < lines + b->halo; i++, to += b->pixels * b->channels)
                copy_line(b, to, item, (ptrdiff_t)(first + i) * w->stride[1] + py, px, b->joined ? 1 : w->stride[2]);
        }
    }
    memset(to, b->image->pad, SLACK);
}

static void set_steps(const ck_band *b, size_t lines) {
    const ck_window *w = b->window;
    const size_t pixel = b->channels, phase = phase_bytes(b, lines);
    ptrdiff_t *step = b->steps;
    for (ptrdiff_t ky = 0; ky < w->kernel[1]; ky++) {
        const ptrdiff_t y = ky * w->dilation[1];
        const size_t row = (size_t)(y % w->stride[1] * b->phases[1]) * phase + (size_t)(y / w->stride[1]) * b->pixels * pixel;
        if (b->joined) {
            for (size_t c = 0; c < (size_t)w->kernel[2] * pixel; c += CK_STEP) *step++ = (ptrdiff_t)(row + c);
            continue;
        }
        for (ptrdiff_t kx = 0; kx < w->kernel[2]; kx++) {
            const ptrdiff_t x = kx * w->dilation[2];
            const size_t at = row + (size_t)(x % w->stride[2]) * phase + (size_t)(x / w->stride[2]) * pixel;
            for (size_t c = 0; c < pixel; c += CK_STEP) *step++ = (ptrdiff_t)(at + c);
        }
    }
}

size_t ck_band_scratch_bytes(const ck_band *b) {
    return 64 + b->depth / CK_STEP * sizeof *b->steps + ck_round_up(band_bytes(b, b->lines), 64) + 64;
}

static uint8_t *aligned(void *scratch) { return (uint8_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63); }

void ck_band_forget(void *scratch) { ((ck_band_held *)(void *)aligned(scratch))->item = NULL; }

void ck_band_open(ck_band *b, const ck_image *image, void *scratch) {
    b->image = image;
    b->held = (ck_band_held *)(void *)aligned(scratch);
    b->copy = aligned(scratch) + 64;
    b->steps = (ptrdiff_t *)(void *)(b->copy + ck_round_up(band_bytes(b, b->lines), 64));
}

size_t ck_band_next(const void *context, ck_block *block, size_t row, size_t end) {
    const ck_band *b = context;
    const size_t width = (size_t)b->window->out[2], height = (size_t)b->window->out[1];
    const size_t line = row / width, item = line / height, first = line % height;
    // As many lines as are left, in bands of like size, none beyond the item.
    const size_t left = ck_min((end - 1) / width + 1 - line, height - first), bands = (left + b->lines - 1) / b->lines;
    const size_t lines = (left + bands - 1) / bands, skip = row % width;
    const size_t behind = ck_min(end, (line + lines) * width), last = behind - 1;
    const ck_band_held wanted = {b->image->in + item * b->image->item, first, lines};
    if (b->held->item != wanted.item || b->held->first != first || b->held->lines != lines) {
        copy_band(b, wanted.item, first, lines);
        set_steps(b, lines);
        *b->held = wanted;
    }
    *block = (ck_block){.a = b->copy + skip * b->unit, .lda = b->unit, .steps = b->steps,
                        .rows = (last / width - line) * b->line + last % width + 1 - skip,
                        .first = line * width, .line = b->line, .width = width, .skip = skip};
    return behind;
}
