// Products with weights of 2, 4 or 8 bits that are quantized in groups along k: y = A * dequantized weights, where the weights stay
// packed in memory and are unpacked in registers.
//
// The weight at (p, j) is (value(code) - zero[p / group][j]) * scale[p / group][j]; value is code - 2^(bits - 1), or a number of a
// code book. A is float32 and stays so: where the processor multiplies bytes (AVX512-VNNI) each block of a row becomes 24-bit fixed
// point in three signed bytes, and the integer sums are exact; elsewhere, and with a code book, the weights become float in registers.
// The error of a result is at most some 2^-22 of sum |a| |w|, with the greatest |a| of each block of at most 64 for its |a|.
#ifndef CK_NBITS_H
#define CK_NBITS_H

#include "ck_base.h"

#pragma clang assume_nonnull begin

/// Columns of a panel.
enum { CK_NBITS_COLUMNS = 16 };

enum ck_nbits_zeros : int32_t { CK_NBITS_NO_ZEROS, CK_NBITS_INT8_ZEROS, CK_NBITS_FLOAT_ZEROS };

/// Weights [k][n], packed by ck_nbits_pack.
typedef struct ck_nbits {
    size_t k;
    size_t n;
    /// 2, 4 or 8.
    int32_t bits;
    /// One of ck_nbits_zeros.
    int32_t zeros;
    /// Numbers of a column that share a scale: a multiple of 16, or k or more for one scale a column.
    size_t group;
    /// What the codes stand for, 16 numbers; null: code - 2^(bits - 1). Only for 4 bits.
    const float *_Nullable book;
    /// Scales are packed in 16 bits: `ck_nbits_are_halves` of all of them.
    bool has_halves;
} ck_nbits;

/// Where the unpacked form has its numbers. Strides count numbers; those of k are for each k of `codes`, for each group of the others.
typedef struct ck_nbits_source {
    /// Codes of `bits` each, low bits of a byte first (`high_first`: high bits first).
    const uint8_t *codes;
    size_t code_k, code_n;
    /// The codes are two's complement.
    bool is_signed;
    bool high_first;
    const CK_U(float) *scales;
    size_t scale_k, scale_n;
    /// INT8_ZEROS: integers of `zero_bits` like the codes. FLOAT_ZEROS: floats, in the numbering of unsigned codes. Null: none.
    const void *_Nullable zero_points;
    size_t zero_k, zero_n;
    int32_t zero_bits;
} ck_nbits_source;

/// Whether numbers are what float16 holds exactly, none beyond its range nor NaN.
bool ck_nbits_are_halves(const CK_U(float) *numbers, size_t n);

size_t ck_nbits_packed_bytes(const ck_nbits *weights);
/// Packs panels [panel_begin, panel_end). The form is the same for all tiers. `packed` is aligned to 64 bytes.
void ck_nbits_pack(uint8_t *packed, const ck_nbits *weights, const ck_nbits_source *from, size_t panel_begin, size_t panel_end);

/// Bytes of one row of A as the product reads it, and its making from rows of `lda` floats. `rows` is aligned to 64 bytes. A row with
/// a NaN or an infinity gives NaN. Belongs to the tier it was made in.
size_t ck_nbits_row_bytes(const ck_nbits *weights);
void ck_nbits_rows(uint8_t *rows, const ck_nbits *weights, const CK_U(float) *a, size_t lda, size_t begin, size_t end);

/// Rows [m_begin, m_end) and panels [panel_begin, panel_end) of y[i * ldy + j] = sum + bias[j] (bias null: 0). The bits do not depend
/// on the split.
void ck_nbits_run(const ck_nbits *weights, const uint8_t *packed, const uint8_t *rows, float *y, size_t ldy,
                  const CK_U(float) *_Nullable bias, size_t m_begin, size_t m_end, size_t panel_begin, size_t panel_end);
/// From how many rows on `ck_nbits_unpack` and a product of floats are the faster way; SIZE_MAX: never.
size_t ck_nbits_most_rows(const ck_nbits *weights);
/// What computes the product: "vnni" or "float".
const char *ck_nbits_name(const ck_nbits *weights);

/// The weights of panels [panel_begin, panel_end) as floats, in columns of `width` at a time, each k x width row-major: ck_gemm_nr() gives
/// the packed right side of ck_gemm_packed_f32. `width` is a multiple of 8; `out` has room for whole ones.
void ck_nbits_unpack(float *out, size_t width, const ck_nbits *weights, const uint8_t *packed, size_t panel_begin, size_t panel_end);

#pragma clang assume_nonnull end
#endif
