// Weights of few bits: packing, and products that unpack them to float in registers.
#ifndef CK_TIER
#include "include/ck_convert.h"
#include "nbits.h"

bool ck_nbits_are_halves(const CK_U(float) *numbers, size_t n) {
    enum { PART = 256 };
    for (size_t i = 0; i < n; i += PART) {
        const size_t count = ck_min(PART, n - i);
        uint16_t halves[PART];
        float again[PART];
        ck_f32_to_f16(halves, numbers + i, count);
        ck_f16_to_f32(again, halves, count);
        for (size_t k = 0; k < count; k++) {
            if (!(numbers[i + k] == again[k]) || isinf(again[k])) return false;
        }
    }
    return true;
}

#define CK_SELF "nbits.c"
#include "tiers.h"

size_t ck_nbits_packed_bytes(const ck_nbits *w) { return (w->n + NC - 1) / NC * nbits_shape_of(w).panel_bytes; }

size_t ck_nbits_row_bytes(const ck_nbits *w) {
    const nbits_shape s = nbits_shape_of(w);
    const size_t block = ck_nbits_is_integer(w) ? nbits_record(&s) : s.block * 4;
    return ck_round_up(s.blocks * block + s.groups * 4, 64);
}

size_t ck_nbits_most_rows(const ck_nbits *w) { return ck_nbits_is_integer(w) ? 32 : 4; }
const char *ck_nbits_name(const ck_nbits *w) { return ck_nbits_is_integer(w) ? "vnni" : "float"; }

static inline uint32_t code_at(const uint8_t *codes, size_t index, size_t bits, bool high_first) {
    const size_t per = 8 / bits, place = high_first ? per - 1 - index % per : index % per;
    return (uint32_t)codes[index / per] >> (place * bits) & ((1u << bits) - 1);
}

/// Four numbers of 4 bits, one in each byte.
static inline uint32_t spread(uint32_t x) {
    x = (x & 0xff) | (x & 0xff00) << 8;
    return (x & 0x000f000f) | (x & 0x00f000f0) << 4;
}

/// `count` blocks of one column from number `k` on; `out` is the column's first 32 bits.
static void pack_column(uint8_t *out, const ck_nbits *w, const ck_nbits_source *from, size_t k, size_t count, size_t j) {
    const size_t bits = (size_t)w->bits, per = 32 / bits, end = ck_min(k + count, w->k);
    const uint32_t flip = from->is_signed ? 1u << (bits - 1) : 0;
    const bool is_plain = from->code_k == 1 && !from->high_first && (k + j * from->code_n) % 2 == 0;
    for (size_t p = k; p < k + count; p += per, out += NC * 4) {
        uint32_t number = 0;
        if (is_plain && bits >= 4 && p + per <= end) {
            memcpy(&number, from->codes + (p + j * from->code_n) * bits / 8, 4);
            number = (bits == 4 ? spread(number) | spread(number >> 16) << 4 : number) ^ (flip ? bits == 4 ? 0x88888888u : 0x80808080u : 0);
            memcpy(out, &number, 4);
            continue;
        }
        for (size_t i = 0; i < per && p + i < end; i++) {
            const uint32_t code = code_at(from->codes, (p + i) * from->code_k + j * from->code_n, bits, from->high_first) ^ flip;
            number |= code << (i % 4 * 8 + i / 4 * bits);
        }
        memcpy(out, &number, 4);
    }
}

void ck_nbits_pack(uint8_t *packed, const ck_nbits *w, const ck_nbits_source *from, size_t panel_begin, size_t panel_end) {
    const nbits_shape s = nbits_shape_of(w);
    const size_t zero_bits = (size_t)from->zero_bits;
    const int32_t middle = from->is_signed ? 0 : 1 << (w->bits - 1);
    for (size_t panel = panel_begin; panel < panel_end; panel++) {
        uint8_t *out = packed + panel * s.panel_bytes;
        memset(out, 0, s.panel_bytes);
        const size_t cols = ck_min(NC, w->n - panel * NC);
        uint8_t *zeros = out + s.zero_at;
        for (size_t g = 0, place = 0; g < s.groups; g++) {
            const size_t blocks = ck_min(s.per_group, s.blocks - g * s.per_group);
            uint8_t *scales = out + nbits_scales_at(&s, g, &place);
            for (size_t c = 0; c < cols; c++) {
                const size_t j = panel * NC + c;
                pack_column(out + place + c * 4, w, from, g * s.per_group * s.block, blocks * s.block, j);
                const CK_U(float) *scale = from->scales + g * from->scale_k + j * from->scale_n;
                if (w->has_halves) {
                    ck_f32_to_f16((uint16_t *)scales + c, scale, 1);
                } else {
                    memcpy(scales + c * 4, scale, 4);
                }
                if (!from->zero_points || w->zeros == CK_NBITS_NO_ZEROS) continue;
                const size_t at = g * from->zero_k + j * from->zero_n;
                if (w->zeros == CK_NBITS_INT8_ZEROS) {
                    int32_t zero = (int32_t)code_at(from->zero_points, at, zero_bits, from->high_first);
                    if (from->is_signed && zero >> (zero_bits - 1)) zero -= 1 << zero_bits;
                    zeros[g * NC + c] = (uint8_t)(zero - middle);
                } else {
                    const float zero = ((const CK_U(float) *)from->zero_points)[at] - (float)middle;
                    memcpy(zeros + (g * NC + c) * 4, &zero, 4);
                }
            }
            place += blocks * s.block_bytes;
        }
    }
}

void ck_nbits_rows(uint8_t *rows, const ck_nbits *w, const CK_U(float) *a, size_t lda, size_t begin, size_t end) {
    if (ck_nbits_is_integer(w)) return ck_nbits_rows_vnni(rows, w, a, lda, begin, end);
    const nbits_shape s = nbits_shape_of(w);
    const size_t pitch = ck_nbits_row_bytes(w), length = s.blocks * s.block, group = s.per_group * s.block;
    for (size_t i = begin; i < end; i++) {
        float *row = (float *)(rows + i * pitch), *sums = row + length;
        memcpy(row, a + i * lda, w->k * 4);
        for (size_t p = w->k; p < length; p++) row[p] = 0;
        for (size_t g = 0; g < s.groups; g++) {
            float part[8] = {0};
            const size_t last = ck_min(length, (g + 1) * group);
            for (size_t p = g * group; p < last; p += 8) {
                for (size_t q = 0; q < 8; q++) part[q] += row[p + q];
            }
            sums[g] = ((part[0] + part[4]) + (part[1] + part[5])) + ((part[2] + part[6]) + (part[3] + part[7]));
        }
    }
}

void ck_nbits_run(const ck_nbits *w, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy, const CK_U(float) *bias,
                  size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end) {
    if (ck_nbits_is_integer(w)) return ck_nbits_run_vnni(w, packed, rows, y, ldy, bias, m_begin, m_end, panel_begin, panel_end);
    CK_CALL(nbits_run, w, packed, rows, y, ldy, bias, m_begin, m_end, panel_begin, panel_end);
}

void ck_nbits_unpack(float *out, size_t width, const ck_nbits *w, const uint8_t *packed, size_t panel_begin, size_t panel_end) {
    CK_CALL(nbits_unpack, out, width, w, packed, panel_begin, panel_end);
}

#else

/// Vectors of a panel.
#define NV (NC / W)

/// How the codes of one matrix become numbers: from a table, or by shifts of two's complement.
typedef struct T(nbits_values) {
#if CK_TIER == 2
    __m512 table;
#elif CK_TIER == 1
    __m256 low, high;
#endif
    const float *book;
    int bits;
} T(nbits_values);

static inline __attribute__((always_inline)) T(nbits_values) T(nbits_values_of)(const ck_nbits *w, const int bits) {
    T(nbits_values) values = {.book = w->book, .bits = bits};
    float all[16];
    for (int i = 0; i < 16; i++) all[i] = w->book ? w->book[i] : bits == 2 ? (float)(i % 4) - 2 : (float)i - 8;
#if CK_TIER == 2
    values.table = _mm512_loadu_ps(all);
#elif CK_TIER == 1
    values.low = _mm256_loadu_ps(all), values.high = _mm256_loadu_ps(all + 8);
#endif
    return values;
}

/// The numbers of the codes at bit `shift` of each lane.
static inline __attribute__((always_inline)) vf T(nbits_value)(const T(nbits_values) *values, const int bits, const bool has_book, vi codes,
                                                               const int shift) {
#if CK_TIER == 2
    // The index is the lowest four bits; with 2 bits the upper two do not matter.
    if (bits <= 4) return (vf)_mm512_permutexvar_ps(_mm512_srli_epi32((__m512i)codes, (unsigned)shift), values->table);
#elif CK_TIER == 1
    if (bits == 2) return (vf)_mm256_permutevar8x32_ps(values->low, _mm256_srli_epi32((__m256i)codes, shift));
    if (has_book) {
        const __m256i index = _mm256_srli_epi32((__m256i)codes, shift);
        return (vf)_mm256_blendv_ps(_mm256_permutevar8x32_ps(values->low, index), _mm256_permutevar8x32_ps(values->high, index),
                                    _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
    }
#else
    if (has_book) {
        vf x;
        for (int i = 0; i < W; i++) x[i] = values->book[(uint32_t)codes[i] >> shift & 15];
        return x;
    }
#endif
    const vi highest = (vi)((vu)codes << (32 - bits - shift)) ^ (vi)(INT32_MIN);
    return __builtin_convertvector(highest >> (32 - bits), vf);
}

/// W scales of a group, those from vector v on.
static inline __attribute__((always_inline)) vf T(nbits_scale)(const nbits_shape *s, const uint8_t *scales, int v) {
    if (!s->has_halves) return LD(scales + v * W * 4);
    // Exponent and mantissa where a float has them; 2^112 is the difference of the exponents' middles. Subnormals come out right, too.
    typedef uint16_t halves __attribute__((ext_vector_type(W), aligned(2), may_alias));
    const vu x = __builtin_convertvector(*(const halves *)(scales + v * W * 2), vu);
    const vf size = (vf)((x & 0x7fff) << 13) * VS(0x1p112f);
    return (vf)((vu)size | (x & 0x8000) << 16);
}

/// One panel for `rows` rows of A, `pitch` bytes apart.
static inline __attribute__((always_inline)) void T(nbits_panel)(const ck_nbits *w, const int bits, const bool has_book, const int rows,
                                                                 vf (*out)[NV], const nbits_shape *s, const uint8_t *from,
                                                                 const uint8_t *const *a) {
    const T(nbits_values) values = T(nbits_values_of)(w, bits);
    const int per = 32 / bits;
    const uint8_t *points = from + s->zero_at;
    const size_t length = s->blocks * s->block;
    for (int r = 0; r < rows; r++) {
        for (int v = 0; v < NV; v++) out[r][v] = VS(0);
    }
    size_t k = 0, place = 0;
    for (size_t g = 0; g < s->groups; g++) {
        const uint8_t *scales = from + nbits_scales_at(s, g, &place);
        vf inner[rows][NV];
        for (int r = 0; r < rows; r++) {
            for (int v = 0; v < NV; v++) inner[r][v] = VS(0);
        }
        const size_t end = ck_min(length, k + s->per_group * s->block);
        for (; k < end; k += (size_t)per, place += NC * 4) {
            for (int v = 0; v < NV; v++) {
                const vi codes = LDI(from + place + v * W * 4);
#pragma clang loop unroll(full)
                for (int i = 0; i < per; i++) {
                    const vf x = T(nbits_value)(&values, bits, has_book, codes, i % 4 * 8 + i / 4 * bits);
#pragma clang loop unroll(full)
                    for (int r = 0; r < rows; r++) inner[r][v] = VFMA(x, VS(((const float *)a[r])[k + (size_t)i]), inner[r][v]);
                }
            }
        }
        for (int v = 0; v < NV; v++) {
            const vf scale = T(nbits_scale)(s, scales, v);
            vf zero = VS(0);
            if (w->zeros == CK_NBITS_FLOAT_ZEROS) zero = LD(points + (g * NC + (size_t)v * W) * 4);
            if (w->zeros == CK_NBITS_INT8_ZEROS) {
                for (int i = 0; i < W; i++) zero[i] = (float)(int8_t)points[g * NC + (size_t)(v * W + i)];
            }
            for (int r = 0; r < rows; r++) {
                const vf sum = VS(((const float *)a[r])[length + g]);
                out[r][v] = VFMA(w->zeros ? VFMA(-zero, sum, inner[r][v]) : inner[r][v], scale, out[r][v]);
            }
        }
    }
}

#define PANEL(name, bits, book)                                                                                             \
    static void T(nbits_##name)(const ck_nbits *w, size_t rows, vf (*out)[NV], const nbits_shape *s, const uint8_t *from,   \
                                const uint8_t *const *a) {                                                                  \
        if (rows == 1) {                                                                                                    \
            T(nbits_panel)(w, bits, book, 1, out, s, from, a);                                                              \
        } else {                                                                                                            \
            T(nbits_panel)(w, bits, book, 4, out, s, from, a);                                                              \
        }                                                                                                                   \
    }
PANEL(two, 2, false)
PANEL(four, 4, false)
PANEL(book, 4, true)
PANEL(eight, 8, false)
#undef PANEL

static void T(nbits_run)(const ck_nbits *w, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy, const CK_U(float) *bias,
                         size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end) {
    const nbits_shape s = nbits_shape_of(w);
    const size_t pitch = ck_nbits_row_bytes(w);
    for (size_t j = panel_begin; j < panel_end; j++) {
        const uint8_t *from = packed + j * s.panel_bytes;
        const size_t cols = ck_min(NC, w->n - j * NC);
        for (size_t i = m_begin; i < m_end; i += 4) {
            const size_t count = ck_min(4, m_end - i);
            const uint8_t *a[4];
            for (size_t r = 0; r < 4; r++) a[r] = rows + (i + ck_min(r, count - 1)) * pitch;
            vf out[4][NV];
            if (w->book) {
                T(nbits_book)(w, count, out, &s, from, a);
            } else if (w->bits == 2) {
                T(nbits_two)(w, count, out, &s, from, a);
            } else if (w->bits == 4) {
                T(nbits_four)(w, count, out, &s, from, a);
            } else {
                T(nbits_eight)(w, count, out, &s, from, a);
            }
            for (size_t r = 0; r < count; r++) {
                float line[NC];
                memcpy(line, out[r], sizeof line);
                float *to = y + (i + r) * ldy + j * NC;
                for (size_t c = 0; c < cols; c++) to[c] = bias ? line[c] + bias[j * NC + c] : line[c];
            }
        }
    }
}

static inline __attribute__((always_inline)) void T(unpack)(float *out, size_t width, const ck_nbits *w, const int bits, const bool has_book,
                                                            const uint8_t *packed, size_t panel_begin, size_t panel_end) {
    const nbits_shape s = nbits_shape_of(w);
    const T(nbits_values) values = T(nbits_values_of)(w, bits);
    const size_t per = 32 / (size_t)bits, length = s.blocks * s.block;
    for (size_t j = panel_begin; j < panel_end; j++) {
        const uint8_t *panel = packed + j * s.panel_bytes, *points = panel + s.zero_at;
        for (int v = 0; v < NV; v++) {
            const size_t column = (j - panel_begin) * NC + (size_t)v * W;
            float *to = out + column / width * (w->k * width) + column % width;
            size_t k = 0, place = 0;
            for (size_t g = 0; g < s.groups; g++) {
                const size_t end = ck_min(length, k + s.per_group * s.block);
                const vf scale = T(nbits_scale)(&s, panel + nbits_scales_at(&s, g, &place), v);
                vf zero = VS(0);
                if (w->zeros == CK_NBITS_FLOAT_ZEROS) zero = LD(points + (g * NC + (size_t)v * W) * 4);
                if (w->zeros == CK_NBITS_INT8_ZEROS) {
                    for (int i = 0; i < W; i++) zero[i] = (float)(int8_t)points[g * NC + (size_t)(v * W + i)];
                }
                for (; k < end; k += per, place += NC * 4) {
                    const vi codes = LDI(panel + place + v * W * 4);
#pragma clang loop unroll(full)
                    for (int i = 0; i < 32 / bits; i++) {
                        const vf x = (T(nbits_value)(&values, bits, has_book, codes, i % 4 * 8 + i / 4 * bits) - zero) * scale;
                        if (k + (size_t)i < w->k) ST(to + (k + (size_t)i) * width, x);
                    }
                }
            }
        }
    }
}

static void T(nbits_unpack)(float *out, size_t width, const ck_nbits *w, const uint8_t *packed, size_t panel_begin, size_t panel_end) {
    if (w->book) {
        T(unpack)(out, width, w, 4, true, packed, panel_begin, panel_end);
    } else if (w->bits == 2) {
        T(unpack)(out, width, w, 2, false, packed, panel_begin, panel_end);
    } else if (w->bits == 4) {
        T(unpack)(out, width, w, 4, false, packed, panel_begin, panel_end);
    } else {
        T(unpack)(out, width, w, 8, false, packed, panel_begin, panel_end);
    }
}
#undef NV

#endif
