// Convolutions of channels-last bfloat16 as products. A band of the image is copied once with its padding, and what a kernel row meets is an
// offset into it; where lines are mostly padding, the rows of A are written out.
#include "bf16.h"
#include "internal.h"
#include "window.h"

/// A band of output lines of one item, and what they read. Where channels are whole steps of a product each tap is a step, and each residue
/// of a strided axis has an image of its own, so that neighbouring outputs read neighbouring positions. Elsewhere the taps of a kernel row
/// are steps together (`joined`), which needs pixels that lie beside each other.
typedef struct band {
    const ck_window *window;
    size_t channels;
    bool joined;
    size_t line;              ///< positions of a line: the outputs' and those that the last tap is ahead
    size_t unit;              ///< elements between neighbouring positions
    ptrdiff_t phases[2];      ///< images: residues of lines and of columns
    size_t pixels;            ///< copied of each line
    size_t halo;              ///< lines that the last tap is ahead
    size_t depth;             ///< of the product
    size_t lines;             ///< output lines of a band at most
    const ck_bf16_image *image;
    ptrdiff_t *steps;
    uint16_t *copy;
} band;

static inline ptrdiff_t least(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

static size_t phase_elements(const band *b, size_t lines) { return (lines + b->halo) * b->pixels * b->channels; }

/// What the last position of a band reads beyond it, zeros.
enum { SLACK = CK_BF16_DEPTH };

static size_t band_elements(const band *b, size_t lines) { return phase_elements(b, lines) * (size_t)(b->phases[0] * b->phases[1]) + SLACK; }

/// False where rows have to be written out: a third axis, taps that are no steps, or lines that are mostly padding.
static bool make_band(band *b, const ck_window *w, size_t channels, size_t pitch) {
    if (w->out[0] != 1 || w->kernel[0] != 1 || w->in[0] != 1 || w->pad_begin[0] != 0 || w->out[2] == 0 || channels == 0) return false;
    const size_t out = (size_t)w->out[2], kernel = (size_t)w->kernel[2], stride = (size_t)w->stride[2];
    const ptrdiff_t reach[2] = {(w->kernel[1] - 1) * w->dilation[1], (w->kernel[2] - 1) * w->dilation[2]};
    *b = (band){.window = w, .channels = channels, .joined = channels % CK_BF16_DEPTH != 0, .halo = (size_t)(reach[0] / w->stride[1]),
                .phases = {least(w->stride[1], reach[0] + 1), 1}};
    if (b->joined) {
        const size_t row = ck_round_up(kernel * channels, CK_BF16_DEPTH), all = (size_t)w->kernel[1] * kernel * channels;
        b->depth = (size_t)w->kernel[1] * row;
        if (pitch != channels || w->dilation[2] != 1 || b->depth > 2 * ck_round_up(all, CK_BF16_DEPTH)) return false;
        b->line = out - 1 + (kernel + stride - 1) / stride;
        b->unit = stride * channels;
        b->pixels = b->line * stride;
    } else {
        b->depth = (size_t)w->kernel[1] * kernel * channels;
        b->phases[1] = least(w->stride[2], reach[1] + 1);
        b->line = b->pixels = out + (size_t)(reach[1] / w->stride[2]);
        b->unit = channels;
    }
    if (b->line * 3 > out * 4) return false;
    const size_t bytes = b->pixels * channels * (size_t)(b->phases[0] * b->phases[1]) * sizeof(uint16_t), most = ck_bf16_block_bytes() / bytes;
    b->lines = ck_min((size_t)w->out[1], most > b->halo + 1 ? most - b->halo : 1);
    return true;
}

/// Line `to` of the padded line `at` of an item, every `step`th pixel from its padded column `column` on.
static void copy_line(const band *b, uint16_t *to, const uint16_t *item, ptrdiff_t at, ptrdiff_t column, ptrdiff_t step) {
    const ck_window *w = b->window;
    const size_t channels = b->channels, bytes = channels * sizeof *to;
    const ptrdiff_t y = at - w->pad_begin[1], x0 = column - w->pad_begin[2], width = w->in[2];
    if (y < 0 || y >= w->in[1]) {
        memset(to, 0, b->pixels * bytes);
        return;
    }
    // Pixels [lo, hi) of the line are inside the image.
    const ptrdiff_t all = (ptrdiff_t)b->pixels, lo = least(all, x0 >= 0 ? 0 : (-x0 + step - 1) / step);
    const ptrdiff_t inside = least(all, width > x0 ? (width - x0 + step - 1) / step : 0), hi = inside > lo ? inside : lo;
    const uint16_t *from = item + (y * width + x0 + lo * step) * (ptrdiff_t)b->image->pitch;
    const size_t stride = (size_t)step * b->image->pitch;
    memset(to, 0, (size_t)lo * bytes);
    uint16_t *out = to + (size_t)lo * channels;
    if (stride == channels) {
        memcpy(out, from, (size_t)(hi - lo) * bytes);
    } else {
        for (ptrdiff_t i = lo; i < hi; i++, out += channels, from += stride) memcpy(out, from, bytes);
    }
    memset(to + (size_t)hi * channels, 0, (size_t)(all - hi) * bytes);
}

/// Output lines [first, first + lines) of an item.
static void copy_band(const band *b, const uint16_t *item, size_t first, size_t lines) {
    const ck_window *w = b->window;
    uint16_t *to = b->copy;
    for (ptrdiff_t py = 0; py < b->phases[0]; py++) {
        for (ptrdiff_t px = 0; px < b->phases[1]; px++) {
            for (size_t i = 0; i < lines + b->halo; i++, to += b->pixels * b->channels)
                copy_line(b, to, item, (ptrdiff_t)(first + i) * w->stride[1] + py, px, b->joined ? 1 : w->stride[2]);
        }
    }
    memset(to, 0, SLACK * sizeof *to);
}

static void set_steps(const band *b, size_t lines) {
    const ck_window *w = b->window;
    const size_t pixel = b->channels, phase = phase_elements(b, lines);
    ptrdiff_t *step = b->steps;
    for (ptrdiff_t ky = 0; ky < w->kernel[1]; ky++) {
        const ptrdiff_t y = ky * w->dilation[1];
        const size_t row = (size_t)(y % w->stride[1] * b->phases[1]) * phase + (size_t)(y / w->stride[1]) * b->pixels * pixel;
        if (b->joined) {
            for (size_t c = 0; c < (size_t)w->kernel[2] * pixel; c += CK_BF16_DEPTH) *step++ = (ptrdiff_t)(row + c);
            continue;
        }
        for (ptrdiff_t kx = 0; kx < w->kernel[2]; kx++) {
            const ptrdiff_t x = kx * w->dilation[2];
            const size_t at = row + (size_t)(x % w->stride[2]) * phase + (size_t)(x / w->stride[2]) * pixel;
            for (size_t c = 0; c < pixel; c += CK_BF16_DEPTH) *step++ = (ptrdiff_t)(at + c);
        }
    }
}

static size_t band_block(const void *context, ck_bf16_block *block, size_t row, size_t end, size_t k) {
    (void)k;  // the steps'
    const band *b = context;
    const size_t width = (size_t)b->window->out[2], height = (size_t)b->window->out[1];
    const size_t line = row / width, item = line / height, first = line % height;
    // As many lines as are left, in bands of like size, none beyond the item.
    const size_t left = ck_min((end - 1) / width + 1 - line, height - first), bands = (left + b->lines - 1) / b->lines;
    const size_t lines = (left + bands - 1) / bands, skip = row % width;
    const size_t behind = ck_min(end, (line + lines) * width), last = behind - 1;
    copy_band(b, b->image->in + item * b->image->item, first, lines);
    set_steps(b, lines);
    *block = (ck_bf16_block){.a = b->copy + skip * b->unit, .lda = b->unit, .steps = b->steps,
                             .rows = (last / width - line) * b->line + last % width + 1 - skip,
                             .first = line * width, .line = b->line, .width = width, .skip = skip};
    return behind;
}

/// Rows of A written out. Two bfloat16 go as one float: a channel count is even.
typedef struct written {
    ck_last_image pairs;
    size_t depth;  ///< of a row before padding
    uint16_t *copy;
} written;

static size_t written_block(const void *context, ck_bf16_block *block, size_t row, size_t end, size_t k) {
    const written *s = context;
    const size_t rows = ck_min(ck_bf16_block_rows(end - row, k), end - row), pitch = ck_bf16_pitch(k), more = k - s->depth;
    ck_last_copy_rows(&s->pairs, (float *)(void *)s->copy, pitch / 2, row, rows, s->depth / 2);
    for (size_t i = 0; more > 0 && i < rows; i++) memset(s->copy + i * pitch + s->depth, 0, more * sizeof *s->copy);
    *block = (ck_bf16_block){.a = s->copy, .lda = pitch, .rows = rows, .first = row};
    return row + rows;
}

size_t ck_bf16_conv_depth(const ck_window *window, size_t channels, size_t pitch) {
    band b;
    return make_band(&b, window, channels, pitch) ? b.depth : (size_t)window_taps(window) * channels;
}

void ck_bf16_pack_conv(uint16_t *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t padded, const ck_window *window,
                       size_t pitch) {
    band b;
    const bool is_band = make_band(&b, window, padded, pitch);
    const size_t depth = ck_bf16_conv_depth(window, padded, pitch), width = (size_t)window->kernel[2];
    const size_t line = is_band && b.joined ? ck_round_up(width * padded, CK_BF16_DEPTH) : width * padded;
    ck_bf16_pack_taps(packed, weights, n, channels, padded, (size_t)window_taps(window) / width, width, line, depth);
}

size_t ck_bf16_conv_scratch_bytes(const ck_window *window, size_t channels, size_t pitch, size_t m) {
    band b;
    if (make_band(&b, window, channels, pitch))
        return b.depth / CK_BF16_DEPTH * sizeof *b.steps + (band_elements(&b, b.lines) + 32) * sizeof *b.copy + 64;
    const size_t k = ck_round_up((size_t)window_taps(window) * channels, CK_BF16_DEPTH);
    return ck_min(m, ck_bf16_block_most(k)) * ck_bf16_pitch(k) * sizeof(uint16_t) + 64;
}

void ck_bf16_conv(const ck_bf16_result *c, const ck_bf16_image *image, const uint16_t *packed, size_t m, size_t m_begin, size_t m_end,
                  size_t n_begin, size_t n_end, void *scratch) {
    uint16_t *memory = (uint16_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    band b;
    if (make_band(&b, &image->window, image->channels, image->pitch)) {
        b.image = image;
        b.copy = memory;
        b.steps = (ptrdiff_t *)(void *)(memory + ck_round_up(band_elements(&b, b.lines), 32));
        const ck_bf16_a a = {band_block, &b};
        ck_bf16_product(c, &a, packed, m, b.depth, m_begin, m_end, n_begin, n_end);
        return;
    }
    const size_t k = (size_t)window_taps(&image->window) * image->channels;
    const written rows = {.pairs = {.in = (const CK_U(float) *)(const void *)image->in, .pitch = image->pitch / 2,
                                    .channels = image->channels / 2, .item = image->item / 2, .window = image->window},
                          .depth = k, .copy = memory};
    const ck_bf16_a a = {written_block, &rows};
    ck_bf16_product(c, &a, packed, m, k, m_begin, m_end, n_begin, n_end);
}
