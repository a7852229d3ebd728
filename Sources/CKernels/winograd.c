// 3 x 3 convolutions by Winograd's minimal filtering. A block of tiles is transformed into (size + 2)^2 matrices of tiles x channels; each
// is multiplied by its matrix of transformed weights, a panel of filters after the other, and the panel's sums are transformed back while
// they are in the cache.
#ifndef CK_TIER
#include "include/ck_winograd.h"
#include "internal.h"
#include "window.h"

enum { DEPTH = 256 };

/// Places of a transformed tile.
static inline size_t places_of(size_t size) { return (size + 2) * (size + 2); }
/// Floats between tiles of a transformed matrix; neighbours a multiple of 2 KiB apart would share cache sets.
static inline size_t pitch_of(size_t channels) {
    const size_t pitch = ck_round_up(channels, 16);
    return pitch % 512 == 0 ? pitch + 16 : pitch;
}
/// Floats between transformed matrices: an odd number of cache lines.
static inline size_t matrix_of(size_t channels, size_t block) { return (block * pitch_of(channels) / 16 | 1) * 16; }

static inline size_t tiles_along(const ck_window *w, int axis, size_t size) { return ((size_t)w->out[axis] + size - 1) / size; }

#define CK_SELF "winograd.c"
#include "tiers.h"

size_t ck_winograd_tiles(const ck_window *w, size_t size, size_t items) {
    return items * (size_t)w->out[0] * tiles_along(w, 1, size) * tiles_along(w, 2, size);
}

size_t ck_winograd_packed_size(size_t n, size_t channels, size_t size) { return places_of(size) * ck_gemm_packed_size(channels, n); }

size_t ck_winograd_scratch_bytes(size_t channels, size_t size, size_t block) {
    return places_of(size) * (matrix_of(channels, block) + block * ck_gemm_nr()) * sizeof(float) + 64;
}

void ck_winograd_pack(float *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t size, size_t panel_begin, size_t panel_end) {
    CK_CALL(winograd_pack, packed, weights, n, channels, size, panel_begin, panel_end);
}

void ck_winograd_f32(float *out, size_t ldc, const ck_winograd *conv, const CK_U(float) *packed, size_t begin, size_t end, size_t n_begin,
                     size_t n_end, const ck_gemm_epilogue *epilogue, void *scratch) {
    if (begin >= end || n_begin >= n_end) return;
    CK_CALL(winograd, out, ldc, conv, packed, begin, end, n_begin, n_end, epilogue, scratch);
}

#else

#include "gemm_finish.h"
#include "gemm_tile.h"

/// Panels of filters, each (size + 2)^2 matrices [channels][NR]; in double, rounded once.
static void T(winograd_pack)(float *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t size, size_t panel_begin,
                             size_t panel_end) {
    static const double of_two[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    static const double of_four[6][3] = {{1.0 / 4, 0, 0}, {-1.0 / 6, -1.0 / 6, -1.0 / 6}, {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                         {1.0 / 24, 1.0 / 12, 1.0 / 6}, {1.0 / 24, -1.0 / 12, 1.0 / 6}, {0, 0, 1}};
    const double(*g)[3] = size == 2 ? of_two : of_four;
    const size_t side = size + 2;
    packed += panel_begin * side * side * channels * NR;
    for (size_t panel = panel_begin; panel < panel_end; panel++, packed += side * side * channels * NR) {
        const size_t j0 = panel * NR, width = ck_min(NR, n - j0);
        for (size_t c = 0; c < channels; c++) {
            double w[9][NR], half[3][NR];
            memset(w, 0, sizeof w);
            for (size_t j = 0; j < width; j++)
                for (size_t t = 0; t < 9; t++) w[t][j] = weights[((j0 + j) * channels + c) * 9 + t];
            for (size_t r = 0; r < side; r++) {
                for (size_t x = 0; x < 3; x++)
                    for (size_t j = 0; j < NR; j++) half[x][j] = g[r][0] * w[x][j] + g[r][1] * w[3 + x][j] + g[r][2] * w[6 + x][j];
                for (size_t s = 0; s < side; s++) {
                    float *to = packed + ((r * side + s) * channels + c) * NR;
                    for (size_t j = 0; j < NR; j++)
                        to[j] = (float)(g[s][0] * half[0][j] + g[s][1] * half[1][j] + g[s][2] * half[2][j]);
                }
            }
        }
    }
}

/// Where a tile stands: input line and column of its first tap, output position of its first result, results inside the image.
typedef struct T(place) {
    const CK_U(float) *in;  ///< the whole plane
    ptrdiff_t y, x;
    size_t out, rows, cols;
} T(place);

static T(place) T(place_of)(const ck_winograd *v, size_t tile) {
    const ck_window *w = &v->image.window;
    const size_t across = tiles_along(w, 2, v->size), down = tiles_along(w, 1, v->size);
    const size_t plane = tile / (across * down), oy = tile / across % down * v->size, ox = tile % across * v->size;
    const size_t deep = (size_t)w->out[0], height = (size_t)w->out[1], width = (size_t)w->out[2];
    return (T(place)){v->image.in + plane / deep * v->image.item + plane % deep * (size_t)(w->in[1] * w->in[2]) * v->image.pitch,
                      (ptrdiff_t)oy - w->pad_begin[1], (ptrdiff_t)ox - w->pad_begin[2], (plane * height + oy) * width + ox,
                      ck_min(v->size, height - oy), ck_min(v->size, width - ox)};
}

/// The transform of an input line; in place.
static inline __attribute__((always_inline)) void T(forward)(const int size, vf *d) {
    if (size == 2) {
        const vf a = d[0] - d[2], b = d[1] + d[2], c = d[2] - d[1];
        d[3] = d[1] - d[3];
        d[0] = a, d[1] = b, d[2] = c;
        return;
    }
    const vf a = VFMA(VS(-4), d[2], d[4]), b = VFMA(VS(-4), d[1], d[3]), c = d[4] - d[2], e = d[3] - d[1];
    d[0] = VFMA(VS(4), d[0], VFMA(VS(-5), d[2], d[4]));
    d[5] = VFMA(VS(4), d[1], VFMA(VS(-5), d[3], d[5]));
    d[1] = a + b;
    d[2] = a - b;
    d[3] = VFMA(VS(2), e, c);
    d[4] = VFMA(VS(-2), e, c);
}

/// The transform of a line of products to `size` results; in place.
static inline __attribute__((always_inline)) void T(back)(const int size, vf *m) {
    const vf s = m[1] + m[2], d = m[1] - m[2];
    if (size == 2) {
        m[0] += s;
        m[1] = d - m[3];
        return;
    }
    const vf p = m[3] + m[4], q = m[3] - m[4];
    m[0] += s + p;
    m[1] = VFMA(VS(2), q, d);
    m[2] = VFMA(VS(4), p, s);
    m[3] = VFMA(VS(8), q, d) + m[5];
}

/// `left` channels of a tile from `c` on.
static inline __attribute__((always_inline)) void T(transform_part)(const int size, const ck_last_image *m, const T(place) *at, const bool inside,
                                                                    size_t c, size_t left, float *to, size_t matrix) {
    const int side = size + 2;
    const ck_window *w = &m->window;
    vf t[6][6];
#pragma clang loop unroll(full)
    for (int s = 0; s < side; s++) {
        vf d[6];
#pragma clang loop unroll(full)
        for (int r = 0; r < side; r++) {
            const ptrdiff_t y = at->y + r, x = at->x + s;
            if (!inside && (y < 0 || y >= w->in[1] || x < 0 || x >= w->in[2])) {
                d[r] = VS(0);
                continue;
            }
            const CK_U(float) *p = at->in + (y * w->in[2] + x) * (ptrdiff_t)m->pitch + (ptrdiff_t)c;
            d[r] = left < W ? LDN(p, left) : LD(p);
        }
        T(forward)(size, d);
#pragma clang loop unroll(full)
        for (int r = 0; r < side; r++) t[r][s] = d[r];
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < side; r++) {
        T(forward)(size, t[r]);
#pragma clang loop unroll(full)
        for (int s = 0; s < side; s++) ST(to + (size_t)(r * side + s) * matrix + c, t[r][s]);
    }
}

static inline __attribute__((always_inline)) void T(transform)(const int size, const ck_last_image *m, const T(place) *at, float *to, size_t matrix) {
    const ck_window *w = &m->window;
    const bool inside = at->y >= 0 && at->x >= 0 && at->y + size + 2 <= w->in[1] && at->x + size + 2 <= w->in[2];
    size_t c = 0;
    if (inside) {
        for (; c + W <= m->channels; c += W) T(transform_part)(size, m, at, true, c, W, to, matrix);
    } else {
        for (; c + W <= m->channels; c += W) T(transform_part)(size, m, at, false, c, W, to, matrix);
    }
    if (c < m->channels) T(transform_part)(size, m, at, false, c, m->channels - c, to, matrix);
}

/// A vector of results of a tile: inverse transform of its products [place][NR]. With `tail` they are finished and stored, `left` columns,
/// else stored to `sums` [size][size][NR].
static inline __attribute__((always_inline)) void T(results)(const int size, const float *products, const T(place) *at, size_t width,
                                                             float *out, size_t ldc, size_t left, const T(tail) *tail, float *sums) {
    const int side = size + 2;
    vf t[4][6];
#pragma clang loop unroll(full)
    for (int s = 0; s < side; s++) {
        vf m[6];
#pragma clang loop unroll(full)
        for (int r = 0; r < side; r++) m[r] = LD(products + (r * side + s) * NR);
        T(back)(size, m);
#pragma clang loop unroll(full)
        for (int r = 0; r < size; r++) t[r][s] = m[r];
    }
    const vf bias = tail && tail->bias ? T(get)(tail->bias, true, left) : VS(0);
#pragma clang loop unroll(full)
    for (int r = 0; r < size; r++) {
        T(back)(size, t[r]);
        if (!tail) {
#pragma clang loop unroll(full)
            for (int s = 0; s < size; s++) ST(sums + (r * size + s) * NR, t[r][s]);
            continue;
        }
        if ((size_t)r >= at->rows) break;
        const size_t row = at->out + (size_t)r * width;
#pragma clang loop unroll(full)
        for (int s = 0; s < size; s++) {
            if ((size_t)s >= at->cols) break;
            const vf y = T(apply)(tail, t[r][s], bias, row + (size_t)s, 0, true, left);
            float *to = out + (row + (size_t)s) * ldc;
            if (left < W) STN(to, y, left);
            else ST(to, y);
        }
    }
}

/// Columns [j, j + cols) of a tile's results.
static inline __attribute__((always_inline)) void T(restore)(const int size, const float *products, const T(place) *at, size_t width, float *out,
                                                             size_t ldc, size_t j, size_t cols, const ck_gemm_epilogue *e, const T(tail) *tail) {
    float sums[16 * NR];
    for (size_t v = 0; v < cols; v += W) {
        if (tail) {
            T(tail) part = *tail;
            if (part.bias) part.bias += j + v;
            if (part.residual) part.residual += j + v;
            T(results)(size, products + v, at, width, out + j + v, ldc, ck_min(W, cols - v), &part, NULL);
        } else {
            T(results)(size, products + v, at, width, NULL, 0, W, NULL, sums + v);
        }
    }
    for (size_t r = 0; !tail && r < at->rows; r++) {
        const size_t row = at->out + r * width;
        T(finish)(e, sums + r * (size_t)size * NR, NR, out + row * ldc + j, ldc, at->cols, cols, row, j);
    }
}

/// Matrix `i` of a panel: products [tile][place][NR] of `tiles` rows.
static void T(multiply)(const float *from, size_t pitch, size_t tiles, size_t channels, const CK_U(float) *weights, float *to, size_t places) {
    const size_t parts = (tiles + MR - 1) / MR;
    for (size_t k = 0; k < channels; k += DEPTH) {
        const size_t depth = ck_min(DEPTH, channels - k);
        const CK_U(float) *next = weights + (k + depth) * NR;
        for (size_t part = 0; part < parts; part++) {
            const size_t row = tiles * part / parts, rows = tiles * (part + 1) / parts - row;
            const CK_U(float) *ahead = part < 4 ? next + part * (depth / 2) * 16 : weights;
            T(tile_any)(rows, NR, depth, from + row * pitch + k, pitch, weights + k * NR, to + row * places * NR, places * NR, k == 0, NULL, ahead);
        }
    }
}

static inline __attribute__((always_inline)) void T(blocks)(const int size, float *out, size_t ldc, const ck_winograd *conv,
                                                            const CK_U(float) *packed, size_t begin, size_t end, size_t n_begin, size_t n_end,
                                                            const ck_gemm_epilogue *e, const T(tail) *tail, float *scratch) {
    const size_t places = (size_t)((size + 2) * (size + 2)), channels = conv->image.channels, width = (size_t)conv->image.window.out[2];
    const size_t pitch = pitch_of(channels), matrix = matrix_of(channels, conv->block), blocks = (end - begin + conv->block - 1) / conv->block;
    float *products = scratch + places * matrix;
    for (size_t block = 0; block < blocks; block++) {
        const size_t first = begin + (end - begin) * block / blocks, tiles = begin + (end - begin) * (block + 1) / blocks - first;
        for (size_t t = 0; t < tiles; t++) {
            const T(place) at = T(place_of)(conv, first + t);
            T(transform)(size, &conv->image, &at, scratch + t * pitch, matrix);
        }
        for (size_t j = n_begin; j < n_end; j += NR) {
            for (size_t i = 0; i < places; i++) {
                T(multiply)(scratch + i * matrix, pitch, tiles, channels, packed + (j * places + i * NR) * channels, products + i * NR, places);
            }
            for (size_t t = 0; t < tiles; t++) {
                const T(place) at = T(place_of)(conv, first + t);
                T(restore)(size, products + t * places * NR, &at, width, out, ldc, j, ck_min(NR, n_end - j), e, tail);
            }
        }
    }
}

static void T(winograd)(float *out, size_t ldc, const ck_winograd *conv, const CK_U(float) *packed, size_t begin, size_t end, size_t n_begin,
                        size_t n_end, const ck_gemm_epilogue *e, void *scratch) {
    float *own = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63);
    const int32_t op = e->act.op;
    const bool direct = !(e->residual && e->act_first) &&
                        (op == CK_UNARY_NONE || op == CK_UNARY_RELU || op == CK_UNARY_CLIP || op == CK_UNARY_HARD_SWISH);
    const T(tail) tail = {e->bias_col, e->residual, e->residual_stride, op == CK_UNARY_RELU ? 0.0f : op == CK_UNARY_CLIP ? e->act.p0 : -INFINITY,
                          op == CK_UNARY_CLIP ? e->act.p1 : INFINITY, op == CK_UNARY_HARD_SWISH};
    if (conv->size == 2) {
        T(blocks)(2, out, ldc, conv, packed, begin, end, n_begin, n_end, e, direct ? &tail : NULL, own);
    } else {
        T(blocks)(4, out, ldc, conv, packed, begin, end, n_begin, n_end, e, direct ? &tail : NULL, own);
    }
}

#undef MR
#undef NR
#endif
