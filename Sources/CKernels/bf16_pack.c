// Rounding to bfloat16 and the packed form of its products' right side.
#ifndef CK_TIER
#include "bf16.h"
#include "include/ck_isa.h"
#include "internal.h"

enum { NR = CK_BF16_COLUMNS };

static inline uint16_t rounded(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline uint32_t pair(float low, float high) { return rounded(low) | (uint32_t)rounded(high) << 16; }

#if CK_X86
/// Whole vectors of a row by the processor's own rounding, which takes denormals for zero. The numbers done.
static __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) size_t round_row(uint16_t *to, const CK_U(float) *from, size_t k) {
    size_t p = 0;
    for (; p + 32 <= k; p += 32) {
        const __m512bh both = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + p + 16), _mm512_loadu_ps(from + p));
        _mm512_storeu_si512(to + p, (__m512i)both);
    }
    return p;
}
#endif

#define CK_SELF "bf16_pack.c"
#include "tiers.h"

size_t ck_bf16_pitch(size_t k) {
    const size_t padded = ck_round_up(k, CK_BF16_DEPTH);
    return padded % 256 == 0 ? padded + CK_BF16_DEPTH : padded;
}
size_t ck_bf16_packed_size(size_t k, size_t n) { return ck_round_up(k, CK_BF16_DEPTH) * ck_round_up(n, NR); }

/// Pairs of rows of columns that lie beside each other in memory.
static void pack_rows(uint32_t *out, const CK_U(float) *from, ptrdiff_t row_stride, size_t k, size_t depth, size_t width) {
    for (size_t p = 0; p < depth; p += 2, out += NR) {
        const CK_U(float) *low = from + (ptrdiff_t)p * row_stride, *high = low + row_stride;
        if (p + 1 < k) {
            for (size_t j = 0; j < width; j++) out[j] = pair(low[j], high[j]);
        } else {
            for (size_t j = 0; j < width; j++) out[j] = p < k ? rounded(low[j]) : 0;
        }
        memset(out + width, 0, (NR - width) * sizeof *out);
    }
}

/// The same of columns whose elements lie `row_stride` apart: rounded first, then turned as pairs.
static void pack_columns(uint32_t *out, const CK_U(float) *from, ptrdiff_t row_stride, ptrdiff_t col_stride, size_t k, size_t depth,
                         size_t width) {
    enum { ROWS = 64 };
    for (size_t p0 = 0; p0 < depth; p0 += ROWS, out += ROWS / 2 * NR) {
        uint32_t block[NR * ROWS / 2];
        const size_t rows = ck_min(ROWS, depth - p0), known = p0 < k ? ck_min(rows, k - p0) : 0;
        for (size_t j = 0; j < width; j++) {
            const CK_U(float) *column = from + (ptrdiff_t)j * col_stride + (ptrdiff_t)p0 * row_stride;
            uint32_t *pairs = block + j * (ROWS / 2);
            size_t p = 0;
            if (row_stride == 1) {
                for (; p + 2 <= known; p += 2) pairs[p / 2] = pair(column[p], column[p + 1]);
            } else {
                for (; p + 2 <= known; p += 2) pairs[p / 2] = pair(column[(ptrdiff_t)p * row_stride], column[(ptrdiff_t)(p + 1) * row_stride]);
            }
            if (p < known) pairs[p / 2] = rounded(column[(ptrdiff_t)p * row_stride]), p += 2;
            for (; p < rows; p += 2) pairs[p / 2] = 0;
        }
        ck_pack_columns(out, NR, block, ROWS / 2, width, rows / 2, 1);
    }
}

void ck_bf16_pack_b(uint16_t *packed, const CK_U(float) *b, ptrdiff_t row_stride, ptrdiff_t col_stride, size_t k, size_t n,
                    size_t panel_begin, size_t panel_end) {
    const size_t depth = ck_round_up(k, CK_BF16_DEPTH);
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        uint32_t *out = (uint32_t *)(void *)(packed + panel * NR * depth);
        const size_t j0 = panel * NR, width = ck_min(NR, n - j0);
        const CK_U(float) *from = b + (ptrdiff_t)j0 * col_stride;
        if (col_stride == 1) {
            pack_rows(out, from, row_stride, k, depth, width);
        } else {
            pack_columns(out, from, row_stride, col_stride, k, depth, width);
        }
    }
}

void ck_bf16_pack_taps(uint16_t *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t padded, size_t rows, size_t width,
                       size_t line, size_t depth, size_t panel_begin, size_t panel_end) {
    enum { CHANNELS = 64 };  // at a time, so that the taps of a filter beside each other are read from the first-level cache
    depth = ck_round_up(depth, CK_BF16_DEPTH);
    const size_t taps = rows * width;
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        uint16_t *to = packed + panel * NR * depth;
        memset(to, 0, NR * depth * sizeof *to);
        for (size_t c = 0; c < channels; c += CHANNELS) {
            const size_t count = ck_min(CHANNELS, channels - c);
            for (size_t t = 0; t < taps; t++) {
                uint32_t *out = (uint32_t *)(void *)to + (t / width * line + t % width * padded + c) / 2 * NR;
                pack_columns(out, weights + (panel * NR * channels + c) * taps + t, (ptrdiff_t)taps, (ptrdiff_t)(channels * taps), count,
                             ck_round_up(count, 2), ck_min(NR, n - panel * NR));
            }
        }
    }
}

void ck_bf16_rows(uint16_t *to, size_t pitch, size_t width, const CK_U(float) *from, ptrdiff_t row, ptrdiff_t col, size_t k, size_t begin,
                  size_t end) {
    CK_CALL(bf16_rows, to, pitch, width, from, row, col, k, begin, end);
}

#else

static void T(bf16_rows)(uint16_t *to, size_t pitch, size_t width, const CK_U(float) *from, ptrdiff_t row, ptrdiff_t col, size_t k,
                         size_t begin, size_t end) {
    typedef uint16_t halves __attribute__((ext_vector_type(W), aligned(2), may_alias));
#if CK_TIER == 2
    const bool is_native = ck_bf16_kernel() != CK_BF16_WIDENED && (ck_isa_features() & CK_FEATURE_AVX512_BF16) && col == 1;
#endif
    if (k == 3 && width == 4 && pitch == 4 && row == 1) {  // the first layer's image, channels first
        typedef uint64_t fours __attribute__((ext_vector_type(W), aligned(8), may_alias));
        for (; begin + W <= end; begin += W) {
            typedef uint64_t whole __attribute__((ext_vector_type(W)));
            whole all = 0;
#pragma clang loop unroll(full)
            for (int c = 0; c < 3; c++) {
                const vu bits = (vu)LD(from + (ptrdiff_t)begin + c * col);
                const vu nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
                const vu isNaN = (vu)((bits & 0x7fffffff) > 0x7f800000);
                all |= __builtin_convertvector((isNaN & quiet) | (~isNaN & nearest), whole) << (16 * c);
            }
            *(fours *)(to + begin * 4) = all;
        }
    }
    if (k == 3 && width == 4 && col == 1) {  // the first layer's image
        for (size_t i = begin; i < end; i++) {
            const CK_U(float) *x = from + (ptrdiff_t)i * row;
            const uint64_t four = rounded(x[0]) | (uint64_t)rounded(x[1]) << 16 | (uint64_t)rounded(x[2]) << 32;
            memcpy(to + i * pitch, &four, sizeof four);
        }
        return;
    }
    for (size_t i = begin; i < end; i++) {
        const CK_U(float) *line = from + (ptrdiff_t)i * row;
        uint16_t *out = to + i * pitch;
        size_t p = 0;
#if CK_TIER == 2
        if (is_native) p = round_row(out, line, k);
#endif
        for (; col == 1 && p + W <= k; p += W) {
            const vu bits = (vu)LD(line + p);
            const vu nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
            const vu isNaN = (vu)((bits & 0x7fffffff) > 0x7f800000);
            *(halves *)(out + p) = __builtin_convertvector((isNaN & quiet) | (~isNaN & nearest), halves);
        }
        for (; p < k; p++) out[p] = rounded(line[(ptrdiff_t)p * col]);
        for (; p < width; p++) out[p] = 0;
    }
}

#endif
