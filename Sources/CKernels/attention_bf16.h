// Private to attention with bfloat16 factors: the forms of its operands in scratch, and what is done to them.
//
// Queries stand in groups of LANES, a vector's lanes being 16 of them. In scratch:
//   queries   [pair of the head][lane] dwords, two neighbours of a head each
//   keys      [key] rows of bfloat16, zeros up to a multiple of 32
//   scores    [key][lane] floats
//   weights   [pair of keys][lane] dwords
//   values    AMX: V turned, [32 keys][16 columns] blocks of rows of 32 keys; vdpbf16ps: [pair of keys][column] dwords
//   sums      AMX: [column][lane] floats; vdpbf16ps: [lane][column]
#ifndef CK_ATTENTION_BF16_PRIVATE_H
#define CK_ATTENTION_BF16_PRIVATE_H

#include "attention.h"

enum { CK_ATTENTION_LANES = 32 };

#if CK_X86
#define CK_DP __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,avx512bf16")))

/// Up to 32 elements of a row of float32 or bfloat16 as bfloat16; zeros behind `left` of them.
static inline __attribute__((always_inline, unused)) CK_DP __m512i ck_attention_load_32(const void *at, bool is_wide, size_t left) {
    const __mmask32 mask = left >= 32 ? 0xffffffffu : (1u << left) - 1;
    if (!is_wide) return _mm512_maskz_loadu_epi16(mask, at);
    const __m512 low = _mm512_maskz_loadu_ps((__mmask16)mask, at);
    const __m512 high = _mm512_maskz_loadu_ps((__mmask16)(mask >> 16), (const char *)at + 64);
    return (__m512i)_mm512_cvtne2ps_pbh(high, low);
}

/// The 16 words of each half, by turns.
static inline __attribute__((always_inline, unused)) CK_DP __m512i ck_attention_interleave(__m512i halves) {
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5, 20, 4, 19, 3,
                                           18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(order, halves);
}

/// 16 rows of 16 dwords become columns.
static inline __attribute__((always_inline, unused)) CK_DP void ck_attention_turn_16(__m512i r[16]) {
    __m512i t[16];
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
        t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 16; i += 4) {
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 4; i++) {
        t[i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0x88);
        t[4 + i] = _mm512_shuffle_i32x4(r[i], r[4 + i], 0xdd);
        t[8 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0x88);
        t[12 + i] = _mm512_shuffle_i32x4(r[8 + i], r[12 + i], 0xdd);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < 8; i++) {
        r[i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0x88);
        r[8 + i] = _mm512_shuffle_i32x4(t[i], t[8 + i], 0xdd);
    }
}

/// `rows` queries from row0, elements [column, column + n) of their heads; zeros in other lanes and up to a multiple of 32 elements.
void ck_attention_pack_queries(const ck_attention *p, size_t row0, size_t rows, size_t column, size_t n, uint32_t *to);
/// Elements [column, column + n) of a tile's keys into rows of `pitch` elements.
void ck_attention_pack_keys(const ck_attention *p, const ck_attention_tile *tile, size_t column, size_t n, uint16_t *to, size_t pitch);
/// Columns [column, column + n) of a tile's values, zeros up to `width` (a multiple of 32) and up to whole blocks or pairs of keys.
void ck_attention_pack_values(const ck_attention *p, const ck_attention_tile *tile, size_t column, size_t n, uint32_t *to, size_t width,
                              bool amx);

/// Scores of `keys` keys with the queries of the first `lanes` lanes (16 or 32), `n` elements of a head, added to what is there or not.
/// AMX reads and writes whole tiles: keys in multiples of 32.
void ck_attention_dot(const uint16_t *k, size_t pitch, const uint32_t *q, size_t keys, size_t n, size_t lanes, float *scores, bool add,
                      bool amx);
/// Adds the weighted values of `keys` keys to the sums of `rows` lanes, or starts them.
void ck_attention_sum(const uint32_t *weights, const uint32_t *v, size_t keys, size_t rows, size_t width, float *acc, bool add, bool amx);

/// The form for at most four rows, whose K and V are bfloat16 in memory: both are read once, in place.
void ck_attention_bf16_lean(const ck_attention *p, size_t begin, size_t end, size_t key_begin, size_t key_end, float *partial,
                            void *scratch);
size_t ck_attention_bf16_lean_bytes(void);
#endif

#endif
