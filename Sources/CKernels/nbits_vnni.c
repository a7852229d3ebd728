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

/// One block of a row: `n` numbers of it are there, the others are 0. Returns its sum.
INLINE float limbs(int8_t *out, nbits_tail *tail, const CK_U(float) *a, size_t block, size_t n, int32_t middle) {
    __m512 x[4];
    __m512i greatest = _mm512_setzero_si512();
    const size_t vectors = block / 16;
    for (size_t v = 0; v < 4; v++) {
        const size_t left = v < vectors && n > v * 16 ? ck_min(16, n - v * 16) : 0;
        x[v] = _mm512_maskz_loadu_ps((__mmask16)((1u << left) - 1), a + v * 16);
        greatest = _mm512_max_epi32(greatest, _mm512_and_si512(_mm512_castps_si512(x[v]), _mm512_set1_epi32(0x7fffffff)));
    }
    union { int32_t i; float f; } most = {_mm512_reduce_max_epi32(greatest)};
    if (most.i >= 0x7f800000) most.f = NAN;
    const float raise = most.f < small ? 0x1p100f : 1, peak = most.f * raise;
    const __m512 factor = _mm512_set1_ps(peak > 0 ? top / peak : 0), lift = _mm512_set1_ps(raise);
    tail->scale = most.f != most.f ? NAN : peak / top / raise;
    __m512i sums[LIMBS];
    for (int q = 0; q < LIMBS; q++) sums[q] = _mm512_setzero_si512();
    for (size_t v = 0; v < vectors; v++) {
        const __m512i number = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_mul_ps(x[v], lift), factor));
        const __m512i low = _mm512_srai_epi32(_mm512_slli_epi32(number, 24), 24);
        const __m512i rest = _mm512_srai_epi32(_mm512_sub_epi32(number, low), 8);
        const __m512i middle_limb = _mm512_srai_epi32(_mm512_slli_epi32(rest, 24), 24);
        const __m512i high = _mm512_srai_epi32(_mm512_sub_epi32(rest, middle_limb), 8);
        const __m512i all[LIMBS] = {high, middle_limb, low};
        for (int q = 0; q < LIMBS; q++) {
            sums[q] = _mm512_add_epi32(sums[q], all[q]);
            _mm_storeu_si128((__m128i *)(out + (size_t)q * block + v * 16), _mm512_cvtepi32_epi8(all[q]));
        }
    }
    int32_t total = 0;
    for (int q = 0; q < LIMBS; q++) {
        const int32_t sum = _mm512_reduce_add_epi32(sums[q]);
        tail->start[q] = -middle * sum;
        total = total * 256 + sum;
    }
    return (float)total * tail->scale;
}

VNNI void ck_nbits_rows_vnni(uint8_t *rows, const ck_nbits *w, const CK_U(float) *a, size_t lda, size_t begin, size_t end) {
    const nbits_shape s = nbits_shape_of(w);
    const size_t record = nbits_record(&s), pitch = ck_nbits_row_bytes(w);
    for (size_t i = begin; i < end; i++) {
        uint8_t *row = rows + i * pitch;
        float *sums = (float *)(row + s.blocks * record);
        for (size_t g = 0; g < s.groups; g++) sums[g] = 0;
        for (size_t b = 0; b < s.blocks; b++) {
            uint8_t *at = row + b * record;
            sums[b / s.per_group] += limbs((int8_t *)at, (nbits_tail *)(at + LIMBS * s.block), a + i * lda + b * s.block, s.block,
                                           ck_min(s.block, w->k - b * s.block), 1 << (w->bits - 1));
        }
    }
}

/// Bytes ahead of what is read that are asked for: a panel is read once, and end to end.
enum { AHEAD = 4096 };
/// Rows of A that share what is unpacked.
enum { MOST = 4 };

/// One panel for `rows` rows of A.
INLINE void panel(const int bits, const int rows, __m512 *out, const nbits_shape *s, int32_t zeros, const uint8_t *w, const uint8_t *const *a) {
    const int per = 32 / bits, parts = per / 4;
    const size_t record = nbits_record(s), block = s->block;
    const __m512i mask = _mm512_set1_epi8((char)((1 << bits) - 1));
    const uint8_t *points = w + s->blocks * s->block_bytes + s->groups * NC * 4;
    __m512 inner[MOST];
    for (int r = 0; r < rows; r++) out[r] = inner[r] = _mm512_setzero_ps();
    size_t left = s->per_group, group = 0;
    for (size_t b = 0; b < s->blocks; b++) {
        __m512i sum[MOST][LIMBS];
        const uint8_t *at[MOST];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            at[r] = a[r] + b * record;
            const nbits_tail *tail = (const nbits_tail *)(at[r] + LIMBS * block);
#pragma clang loop unroll(full)
            for (int q = 0; q < LIMBS; q++) sum[r][q] = _mm512_set1_epi32(tail->start[q]);
        }
        // 16 k: `parts` x 4 of each vector.
        for (size_t k = 0; k < block; k += 16) {
#pragma clang loop unroll(full)
            for (int v = 0; v < bits / 2; v++) {
                const __m512i codes = _mm512_load_si512(w);
                _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T0);
                w += 64;
#pragma clang loop unroll(full)
                for (int part = 0; part < parts; part++) {
                    const __m512i moved = part ? _mm512_srli_epi16(codes, (unsigned)(part * bits)) : codes;
                    const __m512i x = bits == 8 ? moved : _mm512_and_si512(moved, mask);
                    const size_t place = k + (size_t)(v * per + part * 4);
#pragma clang loop unroll(full)
                    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
                        for (int q = 0; q < LIMBS; q++) {
                            int32_t four;
                            memcpy(&four, at[r] + (size_t)q * block + place, 4);
                            sum[r][q] = _mm512_dpbusd_epi32(sum[r][q], x, _mm512_set1_epi32(four));
                        }
                    }
                }
            }
        }
        const bool closes = --left == 0 || b + 1 == s->blocks;
        const __m512 scale = closes ? _mm512_load_ps(w) : _mm512_setzero_ps();
        __m512 zero = _mm512_setzero_ps();
        if (closes) {
            _mm_prefetch((const char *)w + AHEAD, _MM_HINT_T0);
            w += NC * 4;
            left = s->per_group;
            if (zeros == CK_NBITS_INT8_ZEROS) {
                zero = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(points + group * NC))));
            } else if (zeros == CK_NBITS_FLOAT_ZEROS) {
                zero = _mm512_loadu_ps(points + group * NC * 4);
            }
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const nbits_tail *tail = (const nbits_tail *)(at[r] + LIMBS * block);
            const __m512i high = _mm512_add_epi32(_mm512_slli_epi32(sum[r][0], 8), sum[r][1]);
            const __m512 x = _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), _mm512_set1_ps(256), _mm512_cvtepi32_ps(sum[r][2]));
            inner[r] = _mm512_fmadd_ps(x, _mm512_set1_ps(tail->scale), inner[r]);
            if (!closes) continue;
            if (zeros) {
                const float *sums = (const float *)(a[r] + s->blocks * record);
                inner[r] = _mm512_fnmadd_ps(zero, _mm512_set1_ps(sums[group]), inner[r]);
            }
            out[r] = _mm512_fmadd_ps(inner[r], scale, out[r]);
            inner[r] = _mm512_setzero_ps();
        }
        group += closes;
    }
}

#define ROWS(count)                                                                                              \
    VNNI static void panel_##count(int bits, __m512 *out, const nbits_shape *s, int32_t zeros, const uint8_t *w, \
                                   const uint8_t *const *a) {                                                    \
        switch (bits) {                                                                                          \
        case 2: return panel(2, count, out, s, zeros, w, a);                                                     \
        case 4: return panel(4, count, out, s, zeros, w, a);                                                     \
        default: return panel(8, count, out, s, zeros, w, a);                                                    \
        }                                                                                                        \
    }
ROWS(1)
ROWS(2)
ROWS(3)
ROWS(4)

VNNI void ck_nbits_run_vnni(const ck_nbits *w, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy,
                            const CK_U(float) *bias, size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end) {
    const nbits_shape s = nbits_shape_of(w);
    const size_t pitch = ck_nbits_row_bytes(w);
    for (size_t j = panel_begin; j < panel_end; j++) {
        const uint8_t *from = packed + j * s.panel_bytes;
        const __mmask16 there = (__mmask16)((1u << ck_min(NC, w->n - j * NC)) - 1);
        const __m512 add = bias ? _mm512_maskz_loadu_ps(there, bias + j * NC) : _mm512_setzero_ps();
        for (size_t i = m_begin; i < m_end; i += 4) {
            const size_t count = ck_min(4, m_end - i);
            const uint8_t *a[4];
            for (size_t r = 0; r < 4; r++) a[r] = rows + (i + ck_min(r, count - 1)) * pitch;
            __m512 out[4];
            switch (count) {
            case 1: panel_1(w->bits, out, &s, w->zeros, from, a); break;
            case 2: panel_2(w->bits, out, &s, w->zeros, from, a); break;
            case 3: panel_3(w->bits, out, &s, w->zeros, from, a); break;
            default: panel_4(w->bits, out, &s, w->zeros, from, a); break;
            }
            for (size_t r = 0; r < count; r++) {
                _mm512_mask_storeu_ps(y + (i + r) * ldy + j * NC, there, bias ? _mm512_add_ps(out[r], add) : out[r]);
            }
        }
    }
}
#else
void ck_nbits_rows_vnni(uint8_t *rows, const ck_nbits *w, const CK_U(float) *a, size_t lda, size_t begin, size_t end) {}
void ck_nbits_run_vnni(const ck_nbits *w, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy, const CK_U(float) *bias,
                       size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end) {}
#endif
