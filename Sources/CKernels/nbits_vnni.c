// Weights of few bits by AVX512-VNNI: 4 x 16 products of bytes an instruction, the activations in three limbs.
#include "nbits.h"

bool ck_nbits_is_integer(const ck_nbits *w) {
    return CK_X86 && !w->book && ck_tier() == 2 && (ck_isa_features() & CK_FEATURE_AVX512_VNNI);
}

#if CK_X86
#define VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))
#define INLINE static inline __attribute__((always_inline)) VNNI

/// Below this a block is raised by 2^100 first: the reciprocal of its scale has to be finite.
static const float small = 0x1p-100f;
/// The greatest fixed-point number: three limbs hold it whichever way it is rounded.
static const float top = 8355000.0f;

/// Blocks of a row whose sums and maxima are taken together.
enum { BATCH = 16 };

/// Lane i of the result is the sum, or the maximum, of the lanes of x[i].
#define ACROSS(name, step)                                                                                              \
    INLINE __m512i name(const __m512i *x) {                                                                            \
        __m512i t[8], u[4];                                                                                            \
        for (int i = 0; i < 8; i++) {                                                                                  \
            const __m512i a = x[2 * i], b = x[2 * i + 1];                                                              \
            t[i] = step(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));                           \
        }                                                                                                              \
        for (int i = 0; i < 4; i++) {                                                                                  \
            const __m512i a = t[2 * i], b = t[2 * i + 1];                                                              \
            u[i] = step(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));                           \
        }                                                                                                              \
        const __m512i v = step(_mm512_unpacklo_epi32(u[0], u[1]), _mm512_unpackhi_epi32(u[0], u[1]));                  \
        const __m512i w = step(_mm512_unpacklo_epi32(u[2], u[3]), _mm512_unpackhi_epi32(u[2], u[3]));                  \
        const __m512i z = step(_mm512_unpacklo_epi64(v, w), _mm512_unpackhi_epi64(v, w));                              \
        return _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), z);   \
    }
ACROSS(sums_across, _mm512_add_epi32)
ACROSS(most_across, _mm512_max_epi32)
#undef ACROSS

/// The scales of blocks whose greatest numbers, bits of |a|, are `most`; *factor times *lift times a number is its fixed-point form.
INLINE __m512 scales_of(__m512i most, __m512 *factor, __m512 *lift) {
    const __m512 greatest = _mm512_castsi512_ps(most), one = _mm512_set1_ps(1);
    *lift = _mm512_mask_mov_ps(one, _mm512_cmp_ps_mask(greatest, _mm512_set1_ps(small), _CMP_LT_OQ), _mm512_set1_ps(0x1p100f));
    const __m512 peak = _mm512_mul_ps(greatest, *lift), highest = _mm512_set1_ps(top);
    const __mmask16 is_finite = _mm512_cmplt_epi32_mask(most, _mm512_set1_epi32(0x7f800000));
    *factor = _mm512_maskz_div_ps(is_finite & _mm512_cmp_ps_mask(peak, _mm512_setzero_ps(), _CMP_GT_OQ), highest, peak);
    return _mm512_mask_div_ps(_mm512_set1_ps(NAN), is_finite, _mm512_div_ps(peak, highest), *lift);
}

/// Up to BATCH blocks at `a`, `left` numbers of the row from there on, the others being 0; totals[b]: the sum of block b.
INLINE void limbs(uint8_t *at, size_t record, const CK_U(float) *a, size_t left, size_t block, size_t blocks, int32_t middle, float *totals) {
    const size_t vectors = block / 16;
    const __m512i zero = _mm512_setzero_si512(), half = _mm512_set1_epi32(128);
    __m512i most[BATCH], sums[LIMBS][BATCH];
    for (size_t b = 0; b < BATCH; b++) most[b] = sums[0][b] = sums[1][b] = sums[2][b] = zero;
    for (size_t b = 0; b < blocks; b++) {
        for (size_t v = 0, k = b * block; v < vectors; v++, k += 16) {
            const __mmask16 there = left >= k + 16 ? 0xffff : left > k ? (__mmask16)((1u << (left - k)) - 1) : 0;
            const __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(there, a + k));
            most[b] = _mm512_max_epi32(most[b], _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)));
        }
    }
    float factors[BATCH], lifts[BATCH], scales[BATCH];
    __m512 factor, lift;
    const __m512 scale = scales_of(most_across(most), &factor, &lift);
    _mm512_storeu_ps(factors, factor), _mm512_storeu_ps(lifts, lift), _mm512_storeu_ps(scales, scale);
    for (size_t b = 0; b < blocks; b++) {
        uint8_t *out = at + b * record;
        for (size_t v = 0, k = b * block; v < vectors; v++, k += 16, out += 16) {
            const __mmask16 there = left >= k + 16 ? 0xffff : left > k ? (__mmask16)((1u << (left - k)) - 1) : 0;
            const __m512 x = _mm512_mul_ps(_mm512_maskz_loadu_ps(there, a + k), _mm512_set1_ps(lifts[b]));
            const __m512i number = _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(factors[b])));
            // The lowest byte, signed, is a limb; what is above it, rounded to nearest, is the rest.
            const __m512i rest = _mm512_srai_epi32(_mm512_add_epi32(number, half), 8);
            const __m512i high = _mm512_srai_epi32(_mm512_add_epi32(rest, half), 8);
            const __m512i all[LIMBS] = {high, rest, number};
            for (size_t q = 0; q < LIMBS; q++) {
                sums[q][b] = _mm512_add_epi32(sums[q][b], all[q]);
                _mm_storeu_si128((__m128i *)(out + q * block), _mm512_cvtepi32_epi8(all[q]));
            }
        }
    }
    const __m512i high = sums_across(sums[0]), rest = sums_across(sums[1]), number = sums_across(sums[2]);
    const __m512i minus = _mm512_set1_epi32(-middle);
    int32_t starts[LIMBS][BATCH];
    _mm512_storeu_si512(starts[0], _mm512_mullo_epi32(minus, high));
    _mm512_storeu_si512(starts[1], _mm512_mullo_epi32(minus, _mm512_sub_epi32(rest, _mm512_slli_epi32(high, 8))));
    _mm512_storeu_si512(starts[2], _mm512_mullo_epi32(minus, _mm512_sub_epi32(number, _mm512_slli_epi32(rest, 8))));
    _mm512_storeu_ps(totals, _mm512_mul_ps(_mm512_cvtepi32_ps(number), scale));
    for (size_t b = 0; b < blocks; b++) {
        const nbits_tail tail = {{starts[0][b], starts[1][b], starts[2][b]}, scales[b]};
        memcpy(at + b * record + LIMBS * block, &tail, sizeof tail);
    }
}

VNNI void ck_nbits_rows_vnni(uint8_t *rows, const ck_nbits *w, const CK_U(float) *a, size_t lda, size_t begin, size_t end) {
    const nbits_shape s = nbits_shape_of(w);
    const size_t record = nbits_record(&s), pitch = ck_nbits_row_bytes(w);
    for (size_t i = begin; i < end; i++) {
        uint8_t *row = rows + i * pitch;
        float *sums = (float *)(row + s.blocks * record);
        for (size_t g = 0; g < s.groups; g++) sums[g] = 0;
        for (size_t first = 0, group = 0, left = s.per_group; first < s.blocks; first += BATCH) {
            const size_t blocks = ck_min(BATCH, s.blocks - first), k = first * s.block;
            float totals[BATCH];
            limbs(row + first * record, record, a + i * lda + k, w->k - k, s.block, blocks, 1 << (w->bits - 1), totals);
            for (size_t b = 0; b < blocks; b++) {
                sums[group] += totals[b];
                if (--left == 0) left = s.per_group, group++;
            }
        }
    }
}

/// Bytes ahead of what is read that are asked for: a panel is read once, and end to end.
enum { AHEAD = 1024 };
/// Rows of A, and panels, that are worked on together.
enum { MOST = 4 };

/// `panels` panels, at w[0], w[1].., for `rows` rows of A. Memory gives several streams half as much again as one.
INLINE void product(const int bits, const int rows, const int panels, __m512 out[MOST][MOST], const nbits_shape *s, int32_t zeros,
                    const uint8_t *const *w, const uint8_t *const *a) {
    const int per = 32 / bits, parts = per / 4;
    const size_t record = nbits_record(s), block = s->block;
    const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
    __m512 inner[MOST][MOST];
    for (int p = 0; p < panels; p++) {
        for (int r = 0; r < rows; r++) out[p][r] = inner[p][r] = _mm512_setzero_ps();
    }
    size_t left = 0, group = 0, from = 0, scales = 0;
    for (size_t b = 0; b < s->blocks; b++) {
        if (left == 0) left = s->per_group, scales = nbits_scales_at(s, group, &from);
        __m512i sum[MOST][MOST][LIMBS];
        const uint8_t *at[MOST];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            at[r] = a[r] + b * record;
            const nbits_tail *tail = (const nbits_tail *)(at[r] + LIMBS * block);
#pragma clang loop unroll(full)
            for (int q = 0; q < LIMBS; q++) {
#pragma clang loop unroll(full)
                for (int p = 0; p < panels; p++) sum[p][r][q] = _mm512_set1_epi32(tail->start[q]);
            }
        }
        // 16 k: `parts` x 4 of each vector.
        for (size_t k = 0; k < block; k += 16) {
#pragma clang loop unroll(full)
            for (int v = 0; v < bits / 2; v++, from += 64) {
                __m512i codes[MOST];
#pragma clang loop unroll(full)
                for (int p = 0; p < panels; p++) {
                    codes[p] = _mm512_load_si512(w[p] + from);
                    _mm_prefetch((const char *)w[p] + from + AHEAD, _MM_HINT_T0);
                }
#pragma clang loop unroll(full)
                for (int part = 0; part < parts; part++) {
                    const size_t place = k + (size_t)(v * per + part * 4);
                    __m512i x[MOST];
#pragma clang loop unroll(full)
                    for (int p = 0; p < panels; p++) {
                        x[p] = part ? _mm512_srli_epi16(codes[p], (unsigned)(part * bits)) : codes[p];
                        if (bits < 8) x[p] = _mm512_and_si512(x[p], mask);
                    }
#pragma clang loop unroll(full)
                    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
                        for (int q = 0; q < LIMBS; q++) {
                            int32_t four;
                            memcpy(&four, at[r] + (size_t)q * block + place, 4);
                            const __m512i y = _mm512_set1_epi32(four);
#pragma clang loop unroll(full)
                            for (int p = 0; p < panels; p++) sum[p][r][q] = _mm512_dpbusd_epi32(sum[p][r][q], x[p], y);
                        }
                    }
                }
            }
        }
        const bool closes = --left == 0 || b + 1 == s->blocks;
#pragma clang loop unroll(full)
        for (int p = 0; p < panels; p++) {
            __m512 scale = _mm512_setzero_ps(), zero = scale;
            if (closes) {
                scale = s->has_halves ? _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)(w[p] + scales)))
                                      : _mm512_load_ps(w[p] + scales);
                if (scales % 64 == 0) _mm_prefetch((const char *)w[p] + scales + AHEAD, _MM_HINT_T0);
                if (zeros == CK_NBITS_INT8_ZEROS) {
                    zero = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(w[p] + s->zero_at + group * NC))));
                } else if (zeros == CK_NBITS_FLOAT_ZEROS) {
                    zero = _mm512_loadu_ps(w[p] + s->zero_at + group * NC * 4);
                }
            }
#pragma clang loop unroll(full)
            for (int r = 0; r < rows; r++) {
                const nbits_tail *tail = (const nbits_tail *)(at[r] + LIMBS * block);
                const __m512i high = _mm512_add_epi32(_mm512_slli_epi32(sum[p][r][0], 8), sum[p][r][1]);
                const __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), _mm512_set1_ps(256), _mm512_cvtepi32_ps(sum[p][r][2]));
                inner[p][r] = _mm512_fmadd_ps(x, _mm512_set1_ps(tail->scale), inner[p][r]);
                if (!closes) continue;
                if (zeros) {
                    const float *sums = (const float *)(a[r] + s->blocks * record);
                    inner[p][r] = _mm512_fnmadd_ps(zero, _mm512_set1_ps(sums[group]), inner[p][r]);
                }
                out[p][r] = _mm512_fmadd_ps(inner[p][r], scale, out[p][r]);
                inner[p][r] = _mm512_setzero_ps();
            }
        }
        if (closes) group++;
    }
}

#define PRODUCT(rows, panels)                                                                                          \
    VNNI static void product_##rows##_##panels(int bits, __m512 out[MOST][MOST], const nbits_shape *s, int32_t zeros,  \
                                               const uint8_t *const *w, const uint8_t *const *a) {                     \
        switch (bits) {                                                                                                \
        case 2: return product(2, rows, panels, out, s, zeros, w, a);                                                  \
        case 4: return product(4, rows, panels, out, s, zeros, w, a);                                                  \
        default: return product(8, rows, panels, out, s, zeros, w, a);                                                 \
        }                                                                                                              \
    }
PRODUCT(1, 1)
PRODUCT(1, 2)
PRODUCT(1, 3)
PRODUCT(1, 4)
PRODUCT(2, 1)
PRODUCT(2, 2)
PRODUCT(3, 1)
PRODUCT(4, 1)
#undef PRODUCT

/// Rows [m_begin, m_end) with `count` panels, number `first` and every `step`th.
VNNI static void few_panels(const ck_nbits *w, const nbits_shape *s, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy,
                            const CK_U(float) *bias, size_t m_begin, size_t m_end, size_t first, size_t step, size_t count) {
    const size_t pitch = ck_nbits_row_bytes(w);
    const uint8_t *from[MOST], *a[MOST];
    for (size_t p = 0; p < count; p++) from[p] = packed + (first + p * step) * s->panel_bytes;
    for (size_t i = m_begin, height; i < m_end; i += height) {
        height = ck_min(count > 2 ? 1 : count == 2 ? 2 : MOST, m_end - i);
        for (size_t r = 0; r < height; r++) a[r] = rows + (i + r) * pitch;
        __m512 out[MOST][MOST];
        switch (height * 8 + count) {
        case 9: product_1_1(w->bits, out, s, w->zeros, from, a); break;
        case 10: product_1_2(w->bits, out, s, w->zeros, from, a); break;
        case 11: product_1_3(w->bits, out, s, w->zeros, from, a); break;
        case 12: product_1_4(w->bits, out, s, w->zeros, from, a); break;
        case 17: product_2_1(w->bits, out, s, w->zeros, from, a); break;
        case 18: product_2_2(w->bits, out, s, w->zeros, from, a); break;
        case 25: product_3_1(w->bits, out, s, w->zeros, from, a); break;
        default: product_4_1(w->bits, out, s, w->zeros, from, a); break;
        }
        for (size_t p = 0; p < count; p++) {
            const size_t column = (first + p * step) * NC;
            const __mmask16 there = (__mmask16)((1u << ck_min(NC, w->n - column)) - 1);
            for (size_t r = 0; r < height; r++) {
                const __m512 sum = bias ? _mm512_add_ps(out[p][r], _mm512_maskz_loadu_ps(there, bias + column)) : out[p][r];
                _mm512_mask_storeu_ps(y + (i + r) * ldy + column, there, sum);
            }
        }
    }
}

void ck_nbits_run_vnni(const ck_nbits *w, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy, const CK_U(float) *bias,
                       size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end) {
    const nbits_shape s = nbits_shape_of(w);
    // So many runs of neighbouring panels side by side; with many rows the sums of one fill the registers.
    const size_t height = m_end - m_begin, most = height == 1 ? MOST : height == 2 ? 2 : 1;
    for (size_t j = panel_begin; j < panel_end;) {
        const size_t left = panel_end - j, turns = (left + most - 1) / most, count = (left + turns - 1) / turns, step = left / count;
        for (size_t i = 0; i < step; i++) few_panels(w, &s, packed, rows, y, ldy, bias, m_begin, m_end, j + i, step, count);
        j += step * count;
    }
}
#else
void ck_nbits_rows_vnni(uint8_t *rows, const ck_nbits *w, const CK_U(float) *a, size_t lda, size_t begin, size_t end) {}
void ck_nbits_run_vnni(const ck_nbits *w, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy, const CK_U(float) *bias,
                       size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end) {}
#endif
