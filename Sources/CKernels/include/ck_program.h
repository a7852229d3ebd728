// Programs: chains of element-wise operations run tile by tile, so that what lies between them stays in cache.
#ifndef CK_PROGRAM_H
#define CK_PROGRAM_H

#include "ck_base.h"
#include "ck_reduce.h"

#pragma clang assume_nonnull begin

enum {
    CK_PROGRAM_TILE = 4096,   // most elements of a tile
    CK_PROGRAM_SLOTS = 96,    // most operands: inputs, scalars, registers
    CK_PROGRAM_INPUTS = 24,
};

/// What a step does; `arg` says which of the family. Operands and results are float32, int32, int64 or bytes (bool).
enum ck_program_op : int32_t {
    CK_PROGRAM_UNARY_F32 = 0,  // arg: ck_unary
    CK_PROGRAM_BINARY_F32,     // arg: ck_binary
    CK_PROGRAM_BINARY_I32,     // arg: ck_binary without pow and prelu
    CK_PROGRAM_BINARY_I64,
    CK_PROGRAM_UNARY_I32,      // arg: CK_UNARY_NEG, ABS, SIGN; wraps around
    CK_PROGRAM_UNARY_I64,
    CK_PROGRAM_COMPARE_F32,    // arg: ck_program_compare; bytes out
    CK_PROGRAM_COMPARE_I32,
    CK_PROGRAM_COMPARE_I64,
    CK_PROGRAM_COMPARE_U8,
    CK_PROGRAM_LOGIC,          // arg: ck_program_logic; bytes 0 and 1
    CK_PROGRAM_WHERE,          // arg: bytes of an element of b and c (1, 4, 8); a != 0 ? b : c
    CK_PROGRAM_CONVERT,        // arg: ck_program_convert
    CK_PROGRAM_IS_NAN,         // of float32; bytes out
    CK_PROGRAM_IS_INF,         // p0 != 0: -inf counts, p1 != 0: +inf counts
    CK_PROGRAM_PAIR_F32,       // (a op b) op c: arg is CK_PROGRAM_PAIR of two ck_program_arithmetic
    CK_PROGRAM_QUANTIZE,       // float32 to bytes as ck_quantize_u8, arg 1: _s8; p0: scale, p1: zero point
    CK_PROGRAM_DEQUANTIZE,     // bytes to float32 as ck_dequantize_u8, arg 1: _s8
};

/// Two operations in one pass, rounded twice. The first is one of add, sub, mul; reversed: c - (a op b).
enum ck_program_arithmetic : int32_t {
    CK_PROGRAM_ADD = 0,
    CK_PROGRAM_SUB,
    CK_PROGRAM_MUL,
    CK_PROGRAM_DIV,
    CK_PROGRAM_SUB_REVERSED,
};
#define CK_PROGRAM_PAIR(first, second) ((first) * 8 + (second))

enum ck_program_compare : int32_t { CK_PROGRAM_EQUAL = 0, CK_PROGRAM_LESS, CK_PROGRAM_LESS_EQUAL };
enum ck_program_logic : int32_t { CK_PROGRAM_AND = 0, CK_PROGRAM_OR, CK_PROGRAM_XOR, CK_PROGRAM_NOT };

/// Conversions; ROUND keeps float32 and rounds to what the narrow type holds. Floats to integers: towards zero, NaN to 0,
/// saturating at 64 bits, of which int32 takes the low ones.
enum ck_program_convert : int32_t {
    CK_PROGRAM_F16_TO_F32 = 0,
    CK_PROGRAM_F32_TO_F16,
    CK_PROGRAM_BF16_TO_F32,
    CK_PROGRAM_F32_TO_BF16,
    CK_PROGRAM_ROUND_F16,
    CK_PROGRAM_ROUND_BF16,
    CK_PROGRAM_I32_TO_F32,
    CK_PROGRAM_I64_TO_F32,
    CK_PROGRAM_U8_TO_F32,
    CK_PROGRAM_F32_TO_I32,
    CK_PROGRAM_F32_TO_I64,
    CK_PROGRAM_F32_TO_BOOL,
    CK_PROGRAM_I32_TO_I64,
    CK_PROGRAM_I64_TO_I32,
    CK_PROGRAM_U8_TO_I32,
    CK_PROGRAM_U8_TO_I64,
    CK_PROGRAM_I32_TO_BOOL,
    CK_PROGRAM_I64_TO_BOOL,
};

/// One operation on slots: inputs first, then scalars, then registers. Unused operands equal `a`.
/// `out` may be one of the operands' registers, except where the widths differ.
typedef struct ck_program_step {
    int32_t op, arg;
    int32_t out, a, b, c;
    int32_t width;  // bytes of an element of the result
    float p0, p1;
} ck_program_step;

/// How an input is walked: extents and strides in elements over the program's iteration space, neighbouring axes merged.
typedef struct ck_program_input {
    size_t width;  // bytes of an element
    size_t rank;   // 0: one element; 1 with stride 1: as the iteration space
    size_t dims[CK_MAX_RANK];
    ptrdiff_t strides[CK_MAX_RANK];
    size_t period;  // contents repeat after so many elements; 0: they do not
} ck_program_input;

/// A program over `count` elements. Tiles do not cross rows of `row` elements; a tile has `tile` elements or what is left of
/// its row. The last step's register is the result: it is written to `out`, or reduced.
typedef struct ck_program {
    size_t count, row, tile;
    size_t steps, inputs, scalars, registers;
    size_t register_bytes;  // of one register: a tile of the widest element
    const ck_program_step *step;
    const ck_program_input *input;
    const CK_U(double) *scalar;   // 8 bytes each, in the element's own type
    int32_t reduction;      // -1: none; else ck_reduce: sum, mean, max, min, sum of squares, l1, l2, of float32
    size_t reduce;          // elements that one result is made of: a divisor of `tile`, or `row`
    size_t part;            // tiles of a part of a row, where rows are reduced in parts; 0: rows are whole
} ck_program;

/// Bytes of scratch that one thread needs, a multiple of 64.
size_t ck_program_scratch(const ck_program *program);

/// Computes tiles [begin, end) of ceil(row / tile) a row. Without reduction the tile's elements go to `out`, which may be an
/// input that is walked as the iteration space; with one whose `reduce` divides `tile`, the results.
void ck_program_run(const ck_program *program, void *out, const void *_Nonnull const *_Nonnull inputs, size_t begin,
                    size_t end, void *scratch);

/// Reduces parts [begin, end) of ceil(tiles a row / part) a row: partial results, one a part.
void ck_program_reduce(const ck_program *program, double *partial, const void *_Nonnull const *_Nonnull inputs,
                       size_t begin, size_t end, void *scratch);
/// Results of rows [begin, end) from the partial ones of their parts, added up in order.
void ck_program_finish(const ck_program *program, float *out, const CK_U(double) *partial, size_t begin, size_t end);

#pragma clang assume_nonnull end
#endif
