// Quantized products and arithmetic: plain loops compiled per tier; the contraction keeps its sums in registers.
#ifndef CK_TIER
#include "include/ck_integer.h"
#include "include/ck_isa.h"
#include "internal.h"
#include "window.h"

// Columns, rows and depth of a block. Depth times 2^16 stays within the 2^24 that float counts without rounding.
enum { NB = 64, MB = 32, KB = 256 };

static inline __attribute__((always_inline)) int32_t at(const void *p, size_t i, bool is_signed) {
    return is_signed ? (int32_t)((const int8_t *)p)[i] : (int32_t)((const uint8_t *)p)[i];
}

/// round_half_even(x) as long as |x| < 2^22; larger ones saturate whatever is added. NaN is 0.
static inline __attribute__((always_inline)) float round_even(float x) {
    x = x < -1e6f ? -1e6f : x > 1e6f ? 1e6f : x != x ? 0.0f : x;
    return (x + 12582912.0f) - 12582912.0f;
}

static inline __attribute__((always_inline)) uint8_t saturated(float x, bool is_signed) {
    const float low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
    return (uint8_t)(int32_t)(x < low ? low : x > high ? high : x);
}

static inline __attribute__((always_inline)) int32_t at16(const void *p, size_t i, bool is_signed) {
    uint16_t v;  // files put them anywhere
    memcpy(&v, (const uint8_t *)p + 2 * i, sizeof v);
    return is_signed ? (int32_t)(int16_t)v : (int32_t)v;
}

#define CK_SELF "integer.c"
#include "tiers.h"

void ck_center_i8(float *out, const void *in, bool is_signed, const void *zero, size_t channels, size_t inner, size_t begin,
                  size_t end) {
    CK_CALL(center_i8, out, in, is_signed, zero, channels, inner, begin, end);
}

void ck_contract_whole(int32_t *c, ptrdiff_t ldc, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col, const CK_U(float) *b,
                       ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin, size_t m_end) {
    CK_CALL(contract_whole, c, ldc, a, a_row, a_col, b, b_row, b_col, n, k, m_begin, m_end);
}

void ck_whole_to_i32(int32_t *out, const CK_U(float) *in, size_t n) {
    for (size_t i = 0; i < n; i++) out[i] = (int32_t)in[i];
}

void ck_requantize_planes(void *out, bool out_signed, const CK_U(int32_t) *in, const CK_U(int32_t) *bias, const CK_U(float) *scale,
                          size_t scale_step, int32_t zero_point, size_t channels, size_t inner, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++) {
        const size_t c = r % channels;
        CK_CALL(requantize_plane, (uint8_t *)out + r * inner, out_signed, in + r * inner, bias ? bias[c] : 0,
                scale[c * scale_step], (float)zero_point, inner);
    }
}

void ck_scale_rows_i32(float *out, const CK_U(int32_t) *in, const CK_U(float) *scale, size_t scale_step, const CK_U(float) *bias, size_t n,
                       size_t begin, size_t end) {
    CK_CALL(scale_rows, out, in, scale, scale_step, bias, n, begin, end);
}

void ck_add_i8(void *out, const void *a, size_t a_step, const void *b, size_t b_step, bool is_signed, float a_ratio,
               float b_ratio, float fixed, size_t n) {
    if (b_step == 0 && n > 0) {
        fixed = fmaf((float)at(b, 0, is_signed), b_ratio, fixed);
        CK_CALL(add_one, out, a, a_step, is_signed, a_ratio, fixed, n);
    } else if (a_step == 0 && n > 0) {
        fixed = fmaf((float)at(a, 0, is_signed), a_ratio, fixed);
        CK_CALL(add_one, out, b, b_step, is_signed, b_ratio, fixed, n);
    } else {
        CK_CALL(add_two, out, a, b, is_signed, a_ratio, b_ratio, fixed, n);
    }
}

void ck_mul_i8(void *out, const void *a, size_t a_step, int32_t a_zero, const void *b, size_t b_step, int32_t b_zero,
               bool is_signed, float ratio, float zero, size_t n) {
    CK_CALL(mul_i8, out, a, a_step, a_zero, b, b_step, b_zero, is_signed, ratio, zero, n);
}

#if CK_X86
/// 64 bytes at a time: each half of the table is looked up by seven bits, the eighth chooses.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi"))) static void lookup_vbmi(uint8_t *out, const uint8_t *in,
                                                                                      const uint8_t *table, size_t n) {
    const __m512i a = _mm512_loadu_si512(table), b = _mm512_loadu_si512(table + 64), c = _mm512_loadu_si512(table + 128),
                  d = _mm512_loadu_si512(table + 192);
    for (size_t i = 0; i < n; i += 64) {
        const __mmask64 lanes = n - i < 64 ? ((uint64_t)1 << (n - i)) - 1 : ~(uint64_t)0;
        const __m512i x = _mm512_maskz_loadu_epi8(lanes, in + i);
        const __m512i low = _mm512_permutex2var_epi8(a, x, b), high = _mm512_permutex2var_epi8(c, x, d);
        _mm512_mask_storeu_epi8(out + i, lanes, _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high));
    }
}
#endif

void ck_lookup_u8(uint8_t *out, const uint8_t *in, const uint8_t *table, size_t n) {
#if CK_X86
    if (ck_tier() == 2 && (ck_isa_features() & CK_FEATURE_AVX512_VBMI)) return lookup_vbmi(out, in, table, n);
#endif
    for (size_t i = 0; i < n; i++) out[i] = table[in[i]];
}

void ck_avgpool_u8(uint8_t *out, bool out_signed, const uint8_t *in, const CK_U(float) *table, const ck_window *w,
                   bool counts_padding, float scale, float zero, size_t begin, size_t end) {
    const ptrdiff_t in_size = window_in(w), out_size = window_out(w);
    enum { SPAN = 128 };  // results at a time; each still adds its taps in order
    for (size_t plane = begin; plane < end; plane++) {
        const uint8_t *x = in + (ptrdiff_t)plane * in_size;
        uint8_t *y = out + (ptrdiff_t)plane * out_size;
        for (ptrdiff_t row = 0; row < w->out[0] * w->out[1]; row++) {
            const ptrdiff_t oh = row % w->out[1], od = row / w->out[1];
            for (ptrdiff_t first = 0; first < w->out[2]; first += SPAN) {
                const ptrdiff_t n = w->out[2] - first < SPAN ? w->out[2] - first : SPAN;
                float sum[SPAN] = {0};
                int32_t count[SPAN] = {0};
                for (ptrdiff_t kd = 0; kd < w->kernel[0]; kd++) {
                    const ptrdiff_t d = window_at(w, 0, od, kd);
                    if (d < 0 || d >= w->in[0]) continue;
                    for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++) {
                        const ptrdiff_t h = window_at(w, 1, oh, kh);
                        if (h < 0 || h >= w->in[1]) continue;
                        const uint8_t *line = x + (d * w->in[1] + h) * w->in[2];
                        for (ptrdiff_t kw = 0; kw < w->kernel[2]; kw++) {
                            for (ptrdiff_t i = 0; i < n; i++) {
                                const ptrdiff_t at = window_at(w, 2, first + i, kw);
                                if (at < 0 || at >= w->in[2]) continue;
                                sum[i] += table[line[at]];
                                count[i]++;
                            }
                        }
                    }
                }
                uint8_t *results = y + row * w->out[2] + first;
                for (ptrdiff_t i = 0; i < n; i++) {
                    float mean = sum[i] / (float)(counts_padding ? window_taps(w) : count[i]);
                    mean = mean / scale;
                    results[i] = saturated(round_even(mean + zero), out_signed);
                }
            }
        }
    }
}

void ck_maxpool_u8(uint8_t *out, const uint8_t *in, const ck_window *w, bool is_signed, size_t channels_last, size_t begin,
                   size_t end) {
    const ptrdiff_t in_size = window_in(w), out_size = window_out(w), channels = (ptrdiff_t)channels_last;
    const uint8_t flip = is_signed ? 0x80 : 0;  // orders int8 as uint8
    for (size_t number = begin; number < end; number++) {
        const size_t plane = channels ? number / (size_t)out_size : number;
        const ptrdiff_t inner = channels ? channels : 1;
        const uint8_t *x = in + (ptrdiff_t)plane * in_size * inner;
        const ptrdiff_t first = channels ? (ptrdiff_t)(number % (size_t)out_size) : 0, last = channels ? first + 1 : out_size;
        for (ptrdiff_t p = first; p < last; p++) {
            uint8_t *y = out + ((ptrdiff_t)plane * out_size + p) * inner;
            const ptrdiff_t ow = p % w->out[2], oh = p / w->out[2] % w->out[1], od = p / w->out[2] / w->out[1];
            for (ptrdiff_t c = 0; c < inner; c++) y[c] = 0;
            for (ptrdiff_t kd = 0; kd < w->kernel[0]; kd++) {
                const ptrdiff_t d = window_at(w, 0, od, kd);
                if (d < 0 || d >= w->in[0]) continue;
                for (ptrdiff_t kh = 0; kh < w->kernel[1]; kh++) {
                    const ptrdiff_t h = window_at(w, 1, oh, kh);
                    if (h < 0 || h >= w->in[1]) continue;
                    for (ptrdiff_t kw = 0; kw < w->kernel[2]; kw++) {
                        const ptrdiff_t at = window_at(w, 2, ow, kw);
                        if (at < 0 || at >= w->in[2]) continue;
                        const uint8_t *line = x + ((d * w->in[1] + h) * w->in[2] + at) * inner;
                        for (ptrdiff_t c = 0; c < inner; c++) {
                            const uint8_t v = line[c] ^ flip;
                            y[c] = v > y[c] ? v : y[c];
                        }
                    }
                }
            }
            if (flip) {
                for (ptrdiff_t c = 0; c < inner; c++) y[c] ^= flip;
            }
        }
    }
}

void ck_quantize_i16(void *out, bool out_signed, const CK_U(float) *in, const CK_U(float) *scale, const void *zero, size_t channels,
                     size_t inner, size_t begin, size_t end) {
    CK_CALL(quantize_i16, out, out_signed, in, scale, zero, channels, inner, begin, end);
}

void ck_dequantize_i16(float *out, const void *in, bool is_signed, const CK_U(float) *scale, const void *zero, size_t channels,
                       size_t inner, size_t begin, size_t end) {
    CK_CALL(dequantize_i16, out, in, is_signed, scale, zero, channels, inner, begin, end);
}

void ck_sum_rows_i8(int32_t *out, const void *in, bool is_signed, size_t n, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++) {
        int32_t sum = 0;
        if (is_signed) {
            for (size_t i = 0; i < n; i++) sum += ((const int8_t *)in)[r * n + i];
        } else {
            for (size_t i = 0; i < n; i++) sum += ((const uint8_t *)in)[r * n + i];
        }
        out[r] = sum;
    }
}

void ck_unpack_bits(float *out, const uint8_t *in, size_t bits, size_t n, size_t row_bytes, size_t begin, size_t end) {
    const size_t per = 8 / bits;
    const unsigned mask = (1u << bits) - 1;
    for (size_t r = begin; r < end; r++) {
        for (size_t j = 0; j < n; j++)
            out[r * n + j] = (float)((unsigned)in[r * row_bytes + j / per] >> (j % per * bits) & mask);
    }
}

void ck_dequantize_blocks(float *out, const uint8_t *in, size_t bits, const CK_U(float) *scale, const CK_U(float) *zero, size_t block,
                          size_t blocks, size_t k, size_t begin, size_t end) {
    CK_CALL(dequantize_blocks, out, in, bits, scale, zero, block, blocks, k, begin, end);
}

void ck_dequantize_columns(float *out, const void *in, bool is_signed, const CK_U(float) *scale, const void *zero, size_t n,
                           size_t begin, size_t end) {
    CK_CALL(dequantize_columns, out, in, is_signed, scale, zero, n, begin, end);
}

void ck_widen_i4(uint8_t *out, const uint8_t *in, bool is_signed, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const uint8_t code = in[i / 2] >> (i % 2 * 4) & 15;
        out[i] = is_signed ? (uint8_t)((code ^ 8) - 8) : code;
    }
}

#else

static inline __attribute__((always_inline)) void T(center_rows)(float *restrict out, const void *restrict in,
                                                                 const bool is_signed, const void *restrict zero,
                                                                 size_t channels, size_t inner, size_t begin, size_t end) {
    if (zero && channels > 1 && inner == 1) {
        for (size_t r = begin; r < end;) {  // whole rows of channels
            const size_t c = r % channels, n = ck_min(channels - c, end - r);
            for (size_t j = 0; j < n; j++) out[r + j] = (float)(at(in, r + j, is_signed) - at(zero, c + j, is_signed));
            r += n;
        }
        return;
    }
    for (size_t r = begin; r < end; r++) {
        const int32_t z = zero ? at(zero, r % channels, is_signed) : 0;
        for (size_t i = r * inner; i < (r + 1) * inner; i++) out[i] = (float)(at(in, i, is_signed) - z);
    }
}

static void T(center_i8)(float *out, const void *in, bool is_signed, const void *zero, size_t channels, size_t inner,
                         size_t begin, size_t end) {
    if (is_signed) {
        T(center_rows)(out, in, true, zero, channels, inner, begin, end);
    } else {
        T(center_rows)(out, in, false, zero, channels, inner, begin, end);
    }
}

#if CK_TIER == 2
#define ROWS 8
#else
#define ROWS 4
#endif

static void T(contract_whole)(int32_t *c, ptrdiff_t ldc, const CK_U(float) *a, ptrdiff_t a_row, ptrdiff_t a_col, const CK_U(float) *b,
                              ptrdiff_t b_row, ptrdiff_t b_col, size_t n, size_t k, size_t m_begin, size_t m_end) {
    float block[KB * NB] __attribute__((aligned(64)));
    uint32_t sums[MB * NB] __attribute__((aligned(64)));
    for (size_t j0 = 0; j0 < n; j0 += NB) {
        const size_t cols = ck_min(NB, n - j0), wide = ck_round_up(cols, 2 * W);
        for (size_t i0 = m_begin; i0 < m_end; i0 += MB) {
            const size_t rows = ck_min(MB, m_end - i0);
            memset(sums, 0, sizeof sums);
            for (size_t p0 = 0; p0 < k; p0 += KB) {
                const size_t depth = ck_min(KB, k - p0);
                const CK_U(float) *src = b + (ptrdiff_t)p0 * b_row + (ptrdiff_t)j0 * b_col;
                for (size_t p = 0; p < depth; p++) {
                    const CK_U(float) *line = src + (ptrdiff_t)p * b_row;
                    if (b_col == 1) {
                        for (size_t j = 0; j < cols; j++) block[p * NB + j] = line[j];
                    } else {
                        for (size_t j = 0; j < cols; j++) block[p * NB + j] = line[(ptrdiff_t)j * b_col];
                    }
                    for (size_t j = cols; j < wide; j++) block[p * NB + j] = 0;
                }
                for (size_t i = 0; i < rows; i += ROWS) {
                    const CK_U(float) *r[ROWS];
                    for (size_t q = 0; q < ROWS; q++)
                        r[q] = a + (ptrdiff_t)(i0 + ck_min(i + q, rows - 1)) * a_row + (ptrdiff_t)p0 * a_col;
                    for (size_t j = 0; j < wide; j += 2 * W) {
                        vf acc[ROWS][2];
                        for (int q = 0; q < ROWS; q++) acc[q][0] = acc[q][1] = VS(0);
                        for (size_t p = 0; p < depth; p++) {
                            const vf b0 = *(const vf *)(block + p * NB + j), b1 = *(const vf *)(block + p * NB + j + W);
                            for (int q = 0; q < ROWS; q++) {
                                const vf x = VS(r[q][(ptrdiff_t)p * a_col]);
                                acc[q][0] = VFMA(x, b0, acc[q][0]);
                                acc[q][1] = VFMA(x, b1, acc[q][1]);
                            }
                        }
                        for (int q = 0; q < ROWS && i + (size_t)q < rows; q++) {
                            uint32_t *s = sums + (i + (size_t)q) * NB + j;
                            *(vu *)s += (vu)__builtin_convertvector(acc[q][0], vi);
                            *(vu *)(s + W) += (vu)__builtin_convertvector(acc[q][1], vi);
                        }
                    }
                }
            }
            for (size_t i = 0; i < rows; i++)
                memcpy(c + (ptrdiff_t)(i0 + i) * ldc + (ptrdiff_t)j0, sums + i * NB, cols * sizeof *c);
        }
    }
}
#undef ROWS

static void T(requantize_plane)(uint8_t *restrict out, bool out_signed, const CK_U(int32_t) *restrict in, int32_t bias,
                                float scale, float zero, size_t n) {
    if (out_signed) {
        for (size_t i = 0; i < n; i++) {
            const float x = (float)(int32_t)((uint32_t)in[i] + (uint32_t)bias) * scale;
            out[i] = saturated(round_even(x) + zero, true);
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            const float x = (float)(int32_t)((uint32_t)in[i] + (uint32_t)bias) * scale;
            out[i] = saturated(round_even(x) + zero, false);
        }
    }
}

static void T(scale_rows)(float *restrict out, const CK_U(int32_t) *restrict in, const CK_U(float) *restrict scale, size_t scale_step,
                          const CK_U(float) *restrict bias, size_t n, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++) {
        for (size_t j = 0; j < n; j++) {
            float y = (float)in[r * n + j] * scale[j * scale_step];
            if (bias) y = y + bias[j];
            out[r * n + j] = y;
        }
    }
}

static inline __attribute__((always_inline)) void T(add_one_of)(uint8_t *restrict out, const void *restrict a, size_t step,
                                                                const bool is_signed, float ratio, float fixed, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = saturated(round_even(fmaf((float)at(a, i * step, is_signed), ratio, fixed)), is_signed);
}

static void T(add_one)(uint8_t *out, const void *a, size_t step, bool is_signed, float ratio, float fixed, size_t n) {
    if (is_signed) {
        T(add_one_of)(out, a, step, true, ratio, fixed, n);
    } else {
        T(add_one_of)(out, a, step, false, ratio, fixed, n);
    }
}

static inline __attribute__((always_inline)) void T(add_two_of)(uint8_t *restrict out, const void *restrict a,
                                                                const void *restrict b, const bool is_signed,
                                                                float a_ratio, float b_ratio, float fixed, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float y = fmaf((float)at(b, i, is_signed), b_ratio, fixed);
        out[i] = saturated(round_even(fmaf((float)at(a, i, is_signed), a_ratio, y)), is_signed);
    }
}

static void T(add_two)(uint8_t *out, const void *a, const void *b, bool is_signed, float a_ratio, float b_ratio, float fixed,
                       size_t n) {
    if (is_signed) {
        T(add_two_of)(out, a, b, true, a_ratio, b_ratio, fixed, n);
    } else {
        T(add_two_of)(out, a, b, false, a_ratio, b_ratio, fixed, n);
    }
}

static inline __attribute__((always_inline)) void T(mul_of)(uint8_t *restrict out, const void *restrict a, size_t a_step,
                                                            int32_t a_zero, const void *restrict b, size_t b_step,
                                                            int32_t b_zero, const bool is_signed, float ratio, float zero,
                                                            size_t n) {
    for (size_t i = 0; i < n; i++) {
        const float product =
            (float)((at(a, i * a_step, is_signed) - a_zero) * (at(b, i * b_step, is_signed) - b_zero)) * ratio;
        out[i] = saturated(round_even(product + zero), is_signed);
    }
}

static void T(mul_i8)(uint8_t *out, const void *a, size_t a_step, int32_t a_zero, const void *b, size_t b_step,
                      int32_t b_zero, bool is_signed, float ratio, float zero, size_t n) {
    if (is_signed) {
        T(mul_of)(out, a, a_step, a_zero, b, b_step, b_zero, true, ratio, zero, n);
    } else {
        T(mul_of)(out, a, a_step, a_zero, b, b_step, b_zero, false, ratio, zero, n);
    }
}

static void T(dequantize_blocks)(float *restrict out, const uint8_t *restrict in, size_t bits, const CK_U(float) *restrict scale,
                                 const CK_U(float) *restrict zero, size_t block, size_t blocks, size_t k, size_t begin,
                                 size_t end) {
    const size_t bytes = block * bits / 8;
    for (size_t i = begin; i < end; i++) {
        for (size_t q = 0; q < blocks; q++) {
            const uint8_t *src = in + (i * blocks + q) * bytes;
            const float s = scale[i * blocks + q], z = zero[i * blocks + q];
            const size_t n = ck_min(block, k - q * block);
            float *dst = out + (i - begin) * k + q * block;
            if (bits == 4) {
                size_t p = 0;
#if CK_TIER >= 1
                // Sixteen bytes are 32 numbers; ((float)q - z) * s as in the loop below.
                for (; p + 32 <= n; p += 32) {
                    const __m128i codes = _mm_loadu_si128((const __m128i *)(src + p / 2)), mask = _mm_set1_epi8(15);
                    const __m128i low = _mm_and_si128(codes, mask), high = _mm_and_si128(_mm_srli_epi16(codes, 4), mask);
                    const __m128i q0 = _mm_unpacklo_epi8(low, high), q1 = _mm_unpackhi_epi8(low, high);
#if CK_TIER == 2
                    ST(dst + p, (__builtin_convertvector((vi)_mm512_cvtepu8_epi32(q0), vf) - z) * s);
                    ST(dst + p + 16, (__builtin_convertvector((vi)_mm512_cvtepu8_epi32(q1), vf) - z) * s);
#else
                    ST(dst + p, (__builtin_convertvector((vi)_mm256_cvtepu8_epi32(q0), vf) - z) * s);
                    ST(dst + p + 8, (__builtin_convertvector((vi)_mm256_cvtepu8_epi32(_mm_srli_si128(q0, 8)), vf) - z) * s);
                    ST(dst + p + 16, (__builtin_convertvector((vi)_mm256_cvtepu8_epi32(q1), vf) - z) * s);
                    ST(dst + p + 24, (__builtin_convertvector((vi)_mm256_cvtepu8_epi32(_mm_srli_si128(q1, 8)), vf) - z) * s);
#endif
                }
#endif
                for (; p + 2 <= n; p += 2) {
                    dst[p] = ((float)(src[p / 2] & 15) - z) * s;
                    dst[p + 1] = ((float)(src[p / 2] >> 4) - z) * s;
                }
                if (p < n) dst[p] = ((float)(src[p / 2] & 15) - z) * s;
            } else if (bits == 8) {
                for (size_t p = 0; p < n; p++) dst[p] = ((float)src[p] - z) * s;
            } else {
                for (size_t p = 0; p < n; p++) dst[p] = ((float)(src[p / 4] >> (p % 4 * 2) & 3) - z) * s;
            }
        }
    }
}

static void T(dequantize_columns)(float *restrict out, const void *restrict in, bool is_signed, const CK_U(float) *restrict scale,
                                  const void *restrict zero, size_t n, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++) {
        if (is_signed) {
            for (size_t j = 0; j < n; j++)
                out[r * n + j] = (float)(at(in, r * n + j, true) - (zero ? at(zero, j, true) : 0)) * scale[j];
        } else {
            for (size_t j = 0; j < n; j++)
                out[r * n + j] = (float)(at(in, r * n + j, false) - (zero ? at(zero, j, false) : 0)) * scale[j];
        }
    }
}

static void T(quantize_i16)(void *restrict out, bool out_signed, const CK_U(float) *restrict in, const CK_U(float) *restrict scale,
                            const void *restrict zero, size_t channels, size_t inner, size_t begin, size_t end) {
    const float low = out_signed ? -32768 : 0, high = out_signed ? 32767 : 65535;
    uint16_t *y = out;
    for (size_t r = begin; r < end; r++) {
        const float s = scale[r % channels], z = zero ? (float)at16(zero, r % channels, out_signed) : 0;
        for (size_t i = r * inner; i < (r + 1) * inner; i++) {
            const float x = round_even(in[i] / s) + z;
            y[i] = (uint16_t)(int32_t)(x < low ? low : x > high ? high : x);
        }
    }
}

static void T(dequantize_i16)(float *restrict out, const void *restrict in, bool is_signed, const CK_U(float) *restrict scale,
                              const void *restrict zero, size_t channels, size_t inner, size_t begin, size_t end) {
    for (size_t r = begin; r < end; r++) {
        const float s = scale[r % channels];
        const int32_t z = zero ? at16(zero, r % channels, is_signed) : 0;
        if (is_signed) {
            for (size_t i = r * inner; i < (r + 1) * inner; i++) out[i] = (float)(at16(in, i, true) - z) * s;
        } else {
            for (size_t i = r * inner; i < (r + 1) * inner; i++) out[i] = (float)(at16(in, i, false) - z) * s;
        }
    }
}

#endif
