// Convolutions of channels-last 8-bit images with one filter a channel. A band of lines is copied, 64 channels at a time, into quads: for each
// channel its numbers at four neighbouring positions. A row of taps is then a few dot products of four, and neighbouring outputs read the same
// quads, each with its taps at another place.
#ifndef CK_TIER
#include "include/ck_isa.h"
#include "int8.h"
#include "window.h"

enum {
    QUAD = 64,      ///< bytes of a quad of 16 channels
    CHANNELS = 64,  ///< copied together
    NARROW = 64,    ///< bytes of taps of 16 channels for a quad: 8 bits each
    WIDE = 128,     ///< and in 16 bits, those of even places, then those of odd ones
    ROWS = 64,      ///< of a window
    TILE_ROWS = 64, ///< outputs whose sums are made before they are put away
};

/// Groups of `outputs` neighbouring outputs begin at quads; quads lie `spacing` positions apart.
typedef struct dw_form {
    size_t outputs, spacing;
    size_t quads;    ///< that a group reads in a line, every fourth position one
    size_t vectors;  ///< of taps for 16 channels
    size_t step;     ///< quads from a group to the next
    size_t groups;   ///< of an output line
    size_t line;     ///< quads of a line
    size_t reach;    ///< input lines from a window's first to its last, and one
} dw_form;

static dw_form form_of(const ck_window *w) {
    const size_t stride = (size_t)w->stride[2], width = (size_t)((w->kernel[2] - 1) * w->dilation[2]) + 1;
    dw_form f = {.spacing = width <= 3 && stride <= 2 ? 2 : 4, .reach = (size_t)((w->kernel[1] - 1) * w->dilation[1]) + 1};
    f.outputs = stride % f.spacing == 0 ? 1 : stride % 2 == 0 ? f.spacing / 2 : f.spacing;
    f.quads = ((f.outputs - 1) * stride + width + 3) / 4;
    f.vectors = f.outputs * f.quads * (size_t)w->kernel[1];
    f.step = f.outputs * stride / f.spacing;
    f.groups = ((size_t)w->out[2] + f.outputs - 1) / f.outputs;
    f.line = f.groups ? (f.groups - 1) * f.step + (f.quads - 1) * (4 / f.spacing) + 1 : 0;
    return f;
}

/// Input lines that `lines` output lines read.
static size_t lines_read(const dw_form *f, const ck_window *w, size_t lines) { return (lines - 1) * (size_t)w->stride[1] + f->reach; }

/// Output lines of a band: the quads stay in the second-level cache.
static size_t band_lines(const dw_form *f, const ck_window *w) {
    const size_t most = ck_block_bytes() / 4 / ck_max(1, f->line * QUAD * (CHANNELS / 16));
    const size_t lines = most > f->reach ? (most - f->reach) / (size_t)w->stride[1] + 1 : 1;
    return ck_min(lines, ck_max(1, (size_t)w->out[1]));
}

bool ck_int8_is_depthwise(const ck_window *w) {
    return w->out[0] == 1 && w->kernel[0] == 1 && w->in[0] == 1 && w->pad_begin[0] == 0 && w->kernel[1] <= ROWS;
}

size_t ck_int8_depthwise_scratch_bytes(const ck_window *w) {
    const dw_form f = form_of(w);
    return f.line * QUAD * (CHANNELS / 16) * lines_read(&f, w, band_lines(&f, w)) + 64;
}

// Packed: for each 16 channels their taps in 8 bits, then in 16; behind all of them, for each channel the sum of its numbers less b_zero; then
// ck_int8_weights' own sums; in place of the mask a byte: whether the 8 bits hold every number.
ck_int8_weights ck_int8_depthwise_filters(const ck_window *w, size_t channels) {
    const size_t depth = form_of(w).vectors * (NARROW + WIDE) / 16 + sizeof(int32_t);
    return (ck_int8_weights){.packed = "", .depth = depth, .n = channels, .line = depth, .row = depth};
}

static size_t forms_bytes(const ck_int8_weights *w) { return (w->depth - sizeof(int32_t)) * ck_round_up(w->n, NR); }
static const int32_t *exact_sums(const ck_int8_weights *w) { return (const int32_t *)(const void *)((const uint8_t *)w->packed + forms_bytes(w)); }

void ck_int8_pack_depthwise(void *packed, const ck_int8_weights *weights, const void *filters, bool is_signed, const CK_U(int32_t) *b_zero,
                            const ck_window *w) {
    const dw_form f = form_of(w);
    ck_int8_weights own = *weights;
    own.packed = packed;
    memset(packed, 0, ck_int8_packed_bytes(&own));
    int32_t *exact = (int32_t *)(uintptr_t)exact_sums(&own), *sums = (int32_t *)(uintptr_t)int8_sums(&own);
    uint8_t *fits = (uint8_t *)(uintptr_t)int8_mask(&own);
    const uint8_t *from = filters;
    *fits = 1;
    for (size_t c = 0; c < own.n; c++) {
        uint8_t *narrow = (uint8_t *)packed + c / 16 * f.vectors * (NARROW + WIDE), *wide = narrow + f.vectors * NARROW;
        for (size_t row = 0; row < (size_t)w->kernel[1]; row++) {
            for (size_t t = 0; t < (size_t)w->kernel[2]; t++, from++) {
                const int32_t number = (int8_t)(*from ^ (is_signed ? 0 : 0x80)), tap = number - (b_zero ? b_zero[c] : 0);
                sums[c] += number;
                exact[c] += tap;
                if (tap < -128 || tap > 127) *fits = 0;
                for (size_t o = 0; o < f.outputs; o++) {
                    const size_t at = o * (size_t)w->stride[2] + t * (size_t)w->dilation[2];
                    const size_t vector = (row * f.quads + at / 4) * f.outputs + o, place = c % 16 * 4 + at % 4;
                    narrow[vector * NARROW + place] = (uint8_t)tap;
                    const int16_t both = (int16_t)tap;
                    memcpy(wide + vector * WIDE + at % 2 * 64 + c % 16 * 4 + at % 4 / 2 * 2, &both, sizeof both);
                }
            }
        }
    }
}

/// What the sums of W channels of an output line are made of.
typedef struct dw_tile {
    int32_t *sums;  ///< rows of NR
    const uint8_t *const *lines;  ///< quads of the channels, for each row of the window
    const uint8_t *taps;
    const int32_t *begin;  ///< what sums begin with
    size_t outputs, rows, quads;
    size_t next, step;  ///< quads to a group's next one, and to the next group
} dw_tile;

typedef void dw_sums(const dw_tile *t, size_t first, size_t count);

#if CK_X86
#define ATTRIBUTE __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vnni")))
#define TILE(name) vnni_##name
#define VECTOR __m512i
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define TAPS NARROW
#define AT_ONCE 16
typedef __m512i vnni_taps;
static inline __attribute__((always_inline)) ATTRIBUTE __m512i vnni_load_taps(const uint8_t *p) { return _mm512_loadu_si512(p); }
static inline __attribute__((always_inline)) ATTRIBUTE __m512i vnni_split(const uint8_t *p) { return _mm512_loadu_si512(p); }
static inline __attribute__((always_inline)) ATTRIBUTE __m512i vnni_dot(__m512i sums, __m512i four, __m512i taps) {
    return _mm512_dpbusd_epi32(sums, four, taps);
}
#include "int8_depthwise_tile.h"

#define ATTRIBUTE __attribute__((target("avx2,fma,bmi,bmi2,avxvnni")))
#define TILE(name) avx_vnni_##name
#define VECTOR __m256i
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define TAPS NARROW
#define AT_ONCE 8
typedef __m256i avx_vnni_taps;
static inline __attribute__((always_inline)) ATTRIBUTE __m256i avx_vnni_load_taps(const uint8_t *p) { return LOAD(p); }
static inline __attribute__((always_inline)) ATTRIBUTE __m256i avx_vnni_split(const uint8_t *p) { return LOAD(p); }
static inline __attribute__((always_inline)) ATTRIBUTE __m256i avx_vnni_dot(__m256i sums, __m256i four, __m256i taps) {
    return _mm256_dpbusd_avx_epi32(sums, four, taps);
}
#include "int8_depthwise_tile.h"
#endif

/// What becomes of an output line's sums, and how they are made.
typedef struct dw_work {
    const ck_int8_result *to;
    const ck_int8_image *image;
    const ck_int8_weights *filters;
    const dw_form *form;
    uint8_t *quads;
    int8_panel *panel;
} dw_work;

#define CK_SELF "int8_depthwise.c"
#include "tiers.h"

void ck_int8_depthwise(const ck_int8_result *c, const ck_int8_image *image, const ck_int8_weights *filters, size_t begin, size_t end,
                       void *scratch) {
    const dw_form form = form_of(&image->window);
    const size_t height = (size_t)image->window.out[1], most = band_lines(&form, &image->window);
    int8_panel panel = {.col = SIZE_MAX};
    const dw_work work = {c, image, filters, &form, (uint8_t *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), &panel};
    if (form.groups == 0) return;
    for (size_t line = begin, lines; line < end; line += lines) {
        const size_t left = ck_min(end - line, height - line % height), bands = (left + most - 1) / most;
        lines = (left + bands - 1) / bands;
        CK_CALL(depthwise_band, &work, line, lines);
    }
}

#else

#define LANES (4 * W)  // bytes of a vector
typedef uint8_t T(bytes) __attribute__((ext_vector_type(LANES)));
typedef T(bytes) T(bytes_at) __attribute__((aligned(1), may_alias));

INL T(bytes) T(load_bytes)(const uint8_t *p, size_t left) {
    if (left >= LANES) return *(const T(bytes_at) *)(const void *)p;
#if CK_TIER == 2
    return (T(bytes))_mm512_maskz_loadu_epi8((__mmask64)(((uint64_t)1 << left) - 1), p);
#else
    T(bytes) v = 0;
    memcpy(&v, p, left);
    return v;
#endif
}

/// Numbers of LANES channels at four positions as quads, those of 16 channels `plane` bytes behind those of the 16 before.
INL void T(store_quads)(uint8_t *to, size_t plane, T(bytes) a, T(bytes) b, T(bytes) c, T(bytes) d) {
#if CK_TIER == 0
    for (int i = 0; i < LANES; i++) {
        const uint8_t four[4] = {a[i], b[i], c[i], d[i]};
        memcpy(to + i / 16 * plane + i % 16 * 4, four, 4);
    }
#else
#if CK_TIER == 1
#define M(name) _mm256_##name
    typedef __m256i all;
#else
#define M(name) _mm512_##name
    typedef __m512i all;
#endif
    const all ab = M(unpacklo_epi8)((all)a, (all)b), cd = M(unpacklo_epi8)((all)c, (all)d);
    const all ef = M(unpackhi_epi8)((all)a, (all)b), gh = M(unpackhi_epi8)((all)c, (all)d);
    const all quads[4] = {M(unpacklo_epi16)(ab, cd), M(unpackhi_epi16)(ab, cd), M(unpacklo_epi16)(ef, gh), M(unpackhi_epi16)(ef, gh)};
    for (size_t v = 0; v < 4; v++) memcpy(to + v * LANES / QUAD * plane + v * LANES % QUAD, &quads[v], LANES);
#undef M
#endif
}

/// The fours of channels in the order in which unpacking within 16 bytes leaves vectors of W channels.
INL T(bytes) T(spread)(T(bytes) v) {
#if CK_TIER == 0
    return v;
#elif CK_TIER == 1
    return (T(bytes))__builtin_shufflevector((vi)v, (vi)v, 0, 2, 4, 6, 1, 3, 5, 7);
#else
    return (T(bytes))__builtin_shufflevector((vi)v, (vi)v, 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
#endif
}

/// Channels [c, c + left), at most LANES, of a line of the image as quads; `line` NULL: one in the padding.
INL void T(copy_line)(const dw_work *d, uint8_t *to, size_t plane, const uint8_t *line, size_t left) {
    const ck_window *w = &d->image->window;
    const size_t count = d->form->line;
    const T(bytes) flip = (T(bytes))(uint8_t)(d->image->is_signed ? 0x80 : 0), pad = (T(bytes))d->image->pad ^ flip;
    const ptrdiff_t spacing = (ptrdiff_t)d->form->spacing, pitch = (ptrdiff_t)d->image->pitch;
    ptrdiff_t x = -w->pad_begin[2];
#define AT(x) (line && (x) >= 0 && (x) < w->in[2] ? T(spread)(T(load_bytes)(line + (x) * pitch, left)) ^ flip : pad)
    if (spacing == 2) {
        T(bytes) a = AT(x), b = AT(x + 1);
        for (size_t q = 0; q < count; q++, x += 2) {
            const T(bytes) c = AT(x + 2), e = AT(x + 3);
            T(store_quads)(to + q * QUAD, plane, a, b, c, e);
            a = c, b = e;
        }
    } else {
        for (size_t q = 0; q < count; q++, x += 4) T(store_quads)(to + q * QUAD, plane, AT(x), AT(x + 1), AT(x + 2), AT(x + 3));
    }
#undef AT
}

static void T(copy_band)(const dw_work *d, const uint8_t *item, ptrdiff_t first, size_t lines, size_t channel, size_t plane) {
    const ck_window *w = &d->image->window;
    for (size_t i = 0; i < lines; i++) {
        const ptrdiff_t y = first + (ptrdiff_t)i;
        const uint8_t *line = y < 0 || y >= w->in[1] ? NULL : item + y * w->in[2] * (ptrdiff_t)d->image->pitch;
        for (size_t c = 0; c < CHANNELS && channel + c < d->filters->n; c += LANES) {
            T(copy_line)(d, d->quads + i * d->form->line * QUAD + c / 16 * plane + c % 16 * 4, plane, line ? line + channel + c : NULL,
                         d->filters->n - channel - c);
        }
    }
}

// Sums of products of 16 bits, which every tier has.
#define ATTRIBUTE
#define TILE(name) T(CK_CAT(pairs_, name))
#define VECTOR vi
#define LOAD(p) LDI(p)
#define STORE(p, v) STI(p, v)
#define TAPS WIDE
#define AT_ONCE (CK_TIER == 2 ? 16 : 4)
typedef struct TILE(taps) {
    vi even, odd;
} TILE(taps);
INL TILE(taps) TILE(load_taps)(const uint8_t *p) { return (TILE(taps)){LDI((const int32_t *)(const void *)p), LDI((const int32_t *)(const void *)(p + 64))}; }
INL TILE(taps) TILE(split)(const uint8_t *p) {
    const vi four = LDI((const int32_t *)(const void *)p);
    return (TILE(taps)){four & 0x00ff00ff, (vi)((vu)four >> 8) & 0x00ff00ff};
}
INL vi TILE(dot)(vi sums, TILE(taps) a, TILE(taps) b) {
#if CK_TIER == 2
    return sums + ((vi)_mm512_madd_epi16((__m512i)a.even, (__m512i)b.even) + (vi)_mm512_madd_epi16((__m512i)a.odd, (__m512i)b.odd));
#elif CK_TIER == 1
    return sums + ((vi)_mm256_madd_epi16((__m256i)a.even, (__m256i)b.even) + (vi)_mm256_madd_epi16((__m256i)a.odd, (__m256i)b.odd));
#else
    const vi low = (a.even & 0xffff) * (b.even << 16 >> 16) + (a.even >> 16) * (b.even >> 16);
    return sums + low + (a.odd & 0xffff) * (b.odd << 16 >> 16) + (a.odd >> 16) * (b.odd >> 16);
#endif
}
#include "int8_depthwise_tile.h"

/// The kernel for filters, bytes of its taps a quad, and channels of its vectors.
static dw_sums *T(choose)(const ck_int8_weights *filters, size_t *taps, size_t *width) {
    *taps = WIDE;
    *width = W;
#if CK_X86 && CK_TIER > 0
    if (*int8_mask(filters)) {
        const int32_t kernel = ck_int8_kernel();
        *taps = NARROW;
        if (CK_TIER == 2 && (kernel == CK_INT8_AVX512_VNNI || (kernel == CK_INT8_AMX && ck_isa_features() & CK_FEATURE_AVX512_VNNI))) return vnni_sums;
        *width = 8;
        if (kernel == CK_INT8_AVX_VNNI) return avx_vnni_sums;
        *taps = WIDE;
        *width = W;
    }
#endif
    return T(CK_CAT(pairs_, sums));
}

/// Output line `line` (line `i` of the band) of the channels [channel + c, channel + c + NR), 64 of which were copied.
static void T(put_line)(const dw_work *d, const ck_product *product, size_t line, size_t i, size_t channel, size_t c, size_t plane) {
    const ck_window *w = &d->image->window;
    const dw_form *f = d->form;
    size_t taps, width;
    dw_sums *const sums_of = T(choose)(d->filters, &taps, &width);
    int32_t sums[TILE_ROWS * NR] __attribute__((aligned(64))), begin[NR];
    const int32_t *exact = exact_sums(d->filters) + channel + c;
    for (int j = 0; j < NR; j++) begin[j] = d->image->is_signed ? -128 * exact[j] : 0;
    const size_t count = TILE_ROWS / f->outputs, cols = ck_min(NR, d->filters->n - channel - c);
    for (size_t group = 0; group < f->groups; group += count) {
        const size_t groups = ck_min(count, f->groups - group), first = group * f->outputs;
        for (size_t j = 0; j < cols; j += width) {
            const size_t block = (c + j) / 16, lane = (c + j) % 16 * 4;
            const uint8_t *lines[ROWS];
            for (size_t row = 0; row < (size_t)w->kernel[1]; row++) {
                const size_t at = i * (size_t)w->stride[1] + row * (size_t)w->dilation[1];
                lines[row] = d->quads + block * plane + at * f->line * QUAD + lane;
            }
            const uint8_t *form = (const uint8_t *)d->filters->packed + (channel / 16 + block) * f->vectors * (NARROW + WIDE);
            const dw_tile t = {.sums = sums + j, .lines = lines, .taps = form + (taps == WIDE ? f->vectors * NARROW : 0) + lane,
                               .begin = begin + j, .outputs = f->outputs, .rows = (size_t)w->kernel[1], .quads = f->quads,
                               .next = 4 / f->spacing, .step = f->step};
            sums_of(&t, group, groups);
        }
        const size_t rows = ck_min(groups * f->outputs, (size_t)w->out[2] - first);
        const ck_done done = {.sums = sums, .rows = rows, .cols = cols, .col = channel + c, .product = product};
        ck_int8_put(&done, 0, rows, line * (size_t)w->out[2] + first);
    }
}

static void T(depthwise_band)(const dw_work *d, size_t line, size_t lines) {
    const ck_window *w = &d->image->window;
    const size_t height = (size_t)w->out[1], read = lines_read(d->form, w, lines), plane = read * d->form->line * QUAD;
    const uint8_t *item = (const uint8_t *)d->image->in + line / height * d->image->item;
    const ptrdiff_t first = (ptrdiff_t)(line % height) * w->stride[1] - w->pad_begin[1];
    // Zero points of B are part of the taps.
    ck_int8_result to = *d->to;
    to.b_zero = NULL;
    const int8_target target = {&to, d->filters, d->image->is_signed, d->panel};
    const ck_product product = {.to = &target};
    for (size_t channel = 0; channel < d->filters->n; channel += CHANNELS) {
        T(copy_band)(d, item, first, read, channel, plane);
        for (size_t c = 0; c < CHANNELS && channel + c < d->filters->n; c += NR) {
            for (size_t i = 0; i < lines; i++) T(put_line)(d, &product, line + i, i, channel, c, plane);
        }
    }
}
#undef LANES
#endif
