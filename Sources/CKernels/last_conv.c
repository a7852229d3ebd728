// Convolution over channels-last input: a product whose rows are copied from the image when they are needed. With the channels
// beside each other the taps of one kernel row are one run of memory.
#ifndef CK_TIER
#include "bf16.h"
#include "include/ck_last.h"
#include "internal.h"
#include "window.h"

#define CK_SELF "last_conv.c"
#include "tiers.h"

void ck_last_pack(float *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t taps, size_t panel_begin, size_t panel_end) {
    const size_t nr = ck_gemm_nr(), k = channels * taps;
    for (size_t panel = panel_begin; panel < panel_end; panel++)
        ck_pack_columns(packed + panel * nr * k, nr, weights + panel * nr * k, (ptrdiff_t)k, ck_min(nr, n - panel * nr), channels, taps);
}

static void copy_rows(const void *context, float *to, size_t stride, size_t row, size_t rows, size_t k, size_t depth) {
    CK_CALL(copy_image, context, to, stride, row, rows, k, depth);
}

void ck_last_conv_f32(float *out, size_t ldc, const ck_last_image *image, const CK_U(float) *packed, size_t m_begin, size_t m_end,
                      size_t n_begin, size_t n_end, const ck_gemm_epilogue *epilogue, void *scratch) {
    const ck_gemm_rows rows = {copy_rows, image};
    ck_gemm_rows_f32(out, ldc, &rows, packed, (size_t)window_taps(&image->window) * image->channels, m_begin, m_end, n_begin,
                     n_end, epilogue, scratch);
}

void ck_last_copy_rows(const ck_last_image *image, float *to, size_t stride, size_t row, size_t rows, size_t depth) {
    copy_rows(image, to, stride, row, rows, 0, depth);
}

#else

static inline __attribute__((always_inline)) void T(copy_run)(float *to, const CK_U(float) *from, size_t n) {
    size_t i = 0;
    for (; i + W <= n; i += W) ST(to + i, LD(from + i));
    if (i < n) STN(to + i, LDN(from + i, n - i), n - i);
}

static inline __attribute__((always_inline)) void T(clear_run)(float *to, size_t n) {
    size_t i = 0;
    for (; i + W <= n; i += W) ST(to + i, VS(0));
    if (i < n) STN(to + i, VS(0), n - i);
}

/// Where a column stands: a run is what lies together, all taps of a kernel row or one tap.
typedef struct T(run) {
    ptrdiff_t length, skip;  ///< floats of a run; those of the first run that come before the column
    ptrdiff_t kd, kh, kw;
    bool joined;
} T(run);

static T(run) T(run_at)(const ck_last_image *m, size_t k) {
    const ck_window *w = &m->window;
    T(run) r = {.joined = m->pitch == m->channels && w->dilation[2] == 1};
    r.length = (r.joined ? w->kernel[2] : 1) * (ptrdiff_t)m->channels;
    const ptrdiff_t run = (ptrdiff_t)k / r.length, per = r.joined ? 1 : w->kernel[2];
    r.skip = (ptrdiff_t)k - run * r.length;
    r.kw = run % per;
    r.kh = run / per % w->kernel[1];
    r.kd = run / per / w->kernel[1];
    return r;
}

/// `depth` columns of one row from `r` on.
static inline __attribute__((always_inline)) void T(copy_row)(const ck_last_image *m, float *to, const CK_U(float) *item, ptrdiff_t od,
                                                              ptrdiff_t oh, ptrdiff_t ow, T(run) r, size_t depth) {
    const ck_window *w = &m->window;
    const ptrdiff_t channels = (ptrdiff_t)m->channels, pitch = (ptrdiff_t)m->pitch;
    for (const float *const end = to + depth; to < end; r.skip = 0) {
        const ptrdiff_t n = r.length - r.skip < end - to ? r.length - r.skip : end - to;
        const ptrdiff_t d = window_at(w, 0, od, r.kd), h = window_at(w, 1, oh, r.kh), x = window_at(w, 2, ow, r.kw);
        // Floats of the run that are inside the line, counted from its begin.
        ptrdiff_t lo = r.skip, hi = r.skip + n;
        if (d < 0 || d >= w->in[0] || h < 0 || h >= w->in[1]) {
            hi = lo;
        } else if (r.joined) {
            if (x < 0) lo = -x * channels < lo ? lo : -x * channels > hi ? hi : -x * channels;
            if ((w->in[2] - x) * channels < hi) hi = (w->in[2] - x) * channels < lo ? lo : (w->in[2] - x) * channels;
        } else if (x < 0 || x >= w->in[2]) {
            hi = lo;
        }
        if (lo > r.skip) T(clear_run)(to, (size_t)(lo - r.skip));
        if (hi > lo)
            T(copy_run)(to + (lo - r.skip), item + ((d * w->in[1] + h) * w->in[2] + x) * pitch + lo, (size_t)(hi - lo));
        if (hi < r.skip + n) T(clear_run)(to + (hi - r.skip), (size_t)(r.skip + n - hi));
        to += n;
        if (!r.joined && ++r.kw < w->kernel[2]) continue;
        r.kw = 0;
        if (++r.kh < w->kernel[1]) continue;
        r.kh = 0;
        r.kd++;
    }
}

static void T(copy_image)(const void *context, float *to, size_t stride, size_t row, size_t rows, size_t k, size_t depth) {
    const ck_last_image *m = context;
    const ck_window *w = &m->window;
    const T(run) run = T(run_at)(m, k);
    const ptrdiff_t positions = window_out(w);
    ptrdiff_t item = (ptrdiff_t)row / positions, at = (ptrdiff_t)row - item * positions;
    ptrdiff_t ow = at % w->out[2], oh = at / w->out[2] % w->out[1], od = at / w->out[2] / w->out[1];
    for (size_t i = 0; i < rows; i++, to += stride) {
        T(copy_row)(m, to, m->in + (ptrdiff_t)m->item * item, od, oh, ow, run, depth);
        if (++ow < w->out[2]) continue;
        ow = 0;
        if (++oh < w->out[1]) continue;
        oh = 0;
        if (++od < w->out[0]) continue;
        od = 0;
        item++;
    }
}

#endif
