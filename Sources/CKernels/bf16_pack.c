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

void ck_bf16_pack_b(uint16_t *packed, const CK_U(float) *b, ptrdiff_t row_stride, ptrdiff_t col_stride, size_t k, size_t n,
                    size_t panel_begin, size_t panel_end) {
    const size_t depth = ck_round_up(k, CK_BF16_DEPTH);
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        uint16_t *out = packed + panel * NR * depth;
        const size_t j0 = panel * NR, width = ck_min(NR, n - j0);
        const CK_U(float) *from = b + (ptrdiff_t)j0 * col_stride;
        for (size_t p0 = 0; p0 < depth; p0 += 16) {  // by blocks, so that both sides stay in cache
            const size_t end = ck_min(k, p0 + 16);
            memset(out + p0 * NR, 0, 16 * NR * sizeof *out);
            if (col_stride == 1) {
                for (size_t p = p0; p < end; p++) {
                    uint16_t *row = out + p / 2 * 2 * NR + p % 2;
                    for (size_t j = 0; j < width; j++) row[2 * j] = rounded(from[(ptrdiff_t)p * row_stride + (ptrdiff_t)j]);
                }
            } else {
                for (size_t j = 0; j < width; j++) {
                    const CK_U(float) *column = from + (ptrdiff_t)j * col_stride;
                    for (size_t p = p0; p < end; p++) out[p / 2 * 2 * NR + 2 * j + p % 2] = rounded(column[(ptrdiff_t)p * row_stride]);
                }
            }
        }
    }
}

void ck_bf16_pack_taps(uint16_t *packed, const CK_U(float) *weights, size_t n, size_t channels, size_t padded, size_t rows, size_t width,
                       size_t line, size_t depth) {
    depth = ck_round_up(depth, CK_BF16_DEPTH);
    memset(packed, 0, depth * ck_round_up(n, NR) * sizeof *packed);
    for (size_t j = 0; j < n; j++) {
        uint16_t *panel = packed + j / NR * NR * depth + j % NR * 2;
        for (size_t c = 0; c < channels; c++) {
            for (size_t t = 0; t < rows * width; t++) {
                const size_t p = t / width * line + t % width * padded + c;
                panel[p / 2 * 2 * NR + p % 2] = rounded(weights[(j * channels + c) * rows * width + t]);
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
