// Element-wise programs. A tile's operands are pointers with a step of 0 or 1 element; what all operands of a step repeat
// is computed once. float32 arithmetic is that of unary.c and binary.c.
#ifndef CK_TIER
#include "include/ck_program.h"
#include "include/ck_binary.h"
#include "include/ck_convert.h"
#include "include/ck_quant.h"
#include "include/ck_unary.h"
#include "internal.h"

/// A tile's operand: its first element, and 0 or 1 elements to the next.
typedef struct {
    void *at;
    size_t step;
} operand;

#define CK_SELF "program.c"
#include "tiers.h"

static size_t padded(size_t bytes) { return ck_round_up(bytes, 64); }

size_t ck_program_scratch(const ck_program *p) {
    size_t bytes = p->registers * padded(p->register_bytes);
    for (size_t i = 0; i < p->inputs; i++) bytes += padded(p->tile * p->input[i].width);
    return bytes;
}

/// The slots' addresses that do not change from tile to tile, and what the staged inputs hold.
typedef struct {
    operand slot[CK_PROGRAM_SLOTS];
    char *stage[CK_PROGRAM_INPUTS];
    size_t phase[CK_PROGRAM_INPUTS], staged[CK_PROGRAM_INPUTS];
} machine;

static void start(machine *m, const ck_program *p, void *scratch) {
    char *at = scratch;
    for (size_t i = 0; i < p->inputs; i++) {
        m->stage[i] = at;
        m->staged[i] = 0;
        at += padded(p->tile * p->input[i].width);
    }
    operand *slot = m->slot + p->inputs;
    for (size_t i = 0; i < p->scalars; i++) *slot++ = (operand){(void *)(p->scalar + i), 0};
    for (size_t i = 0; i < p->registers; i++) {
        *slot++ = (operand){at, 1};
        at += padded(p->register_bytes);
    }
}

/// Points slot `i` at elements [at, at + n) of the input: where they lie, or copied side by side.
static void load(machine *m, const ck_program *p, size_t i, const char *base, size_t at, size_t n) {
    const ck_program_input *in = p->input + i;
    if (in->rank == 0) {
        m->slot[i] = (operand){(void *)base, 0};
        return;
    }
    if (in->rank == 1 && in->strides[0] == 1) {
        m->slot[i] = (operand){(void *)(base + at * in->width), 1};
        return;
    }
    size_t index[CK_MAX_RANK], rest = at;
    ptrdiff_t offset = 0;
    for (size_t d = in->rank; d-- > 0;) {
        index[d] = rest % in->dims[d];
        rest /= in->dims[d];
        offset += (ptrdiff_t)index[d] * in->strides[d];
    }
    const size_t last = in->rank - 1;
    const ptrdiff_t inner = in->strides[last];
    if (in->dims[last] - index[last] >= n && (inner == 0 || inner == 1)) {
        m->slot[i] = (operand){(void *)(base + offset * (ptrdiff_t)in->width), (size_t)inner};
        return;
    }
    m->slot[i] = (operand){m->stage[i], 1};
    if (in->period) {
        const size_t phase = at % in->period;
        if (m->staged[i] >= n && m->phase[i] == phase) return;
        m->phase[i] = phase;
        m->staged[i] = n;
    }
    CK_CALL(stage, m->stage[i], base, in, index, offset, n);
}

static void tile(machine *m, const ck_program *p, const void *const *inputs, size_t at, size_t n, void *out) {
    for (size_t i = 0; i < p->inputs; i++) load(m, p, i, inputs[i], at, n);
    CK_CALL(steps, p, m->slot, n, out);
}

void ck_program_run(const ck_program *p, void *out, const void *const *inputs, size_t begin, size_t end,
                    void *scratch) {
    machine m;
    start(&m, p, scratch);
    const size_t tiles = (p->row + p->tile - 1) / p->tile;
    const size_t width = (size_t)p->step[p->steps - 1].width;
    void *const result = m.slot[p->step[p->steps - 1].out].at;
    for (size_t t = begin; t < end; t++) {
        const size_t column = t % tiles * p->tile, at = t / tiles * p->row + column;
        const size_t n = ck_min(p->tile, p->row - column);
        if (p->reduction < 0) {
            tile(&m, p, inputs, at, n, (char *)out + at * width);
        } else {
            tile(&m, p, inputs, at, n, result);
            ck_reduce_f32(p->reduction, (float *)out + at / p->reduce, result, p->reduce, 1, 0, n / p->reduce);
        }
    }
}

void ck_program_reduce(const ck_program *p, double *partial, const void *const *inputs, size_t begin, size_t end,
                       void *scratch) {
    machine m;
    start(&m, p, scratch);
    const size_t tiles = (p->row + p->tile - 1) / p->tile, parts = (tiles + p->part - 1) / p->part;
    float *const result = m.slot[p->step[p->steps - 1].out].at;
    // Sums of a tile are added up by finish(): mean and root come last.
    const int32_t op = p->reduction == CK_REDUCE_MEAN ? CK_REDUCE_SUM
                       : p->reduction == CK_REDUCE_L2 ? CK_REDUCE_SUM_SQUARE
                                                      : p->reduction;
    for (size_t r = begin; r < end; r++) {
        const size_t first = r % parts * p->part, last = ck_min(tiles, first + p->part);
        double sum = 0;
        for (size_t t = first; t < last; t++) {
            const size_t column = t * p->tile, n = ck_min(p->tile, p->row - column);
            tile(&m, p, inputs, r / parts * p->row + column, n, result);
            float value;
            ck_reduce_f32(op, &value, result, n, 1, 0, 1);
            if (op == CK_REDUCE_MAX) {
                sum = t == first ? value : ck_fmax((float)sum, value);
            } else if (op == CK_REDUCE_MIN) {
                sum = t == first ? value : ck_fmin((float)sum, value);
            } else {
                sum += value;
            }
        }
        partial[r] = sum;
    }
}

void ck_program_finish(const ck_program *p, float *out, const CK_U(double) *partial, size_t begin, size_t end) {
    const size_t tiles = (p->row + p->tile - 1) / p->tile, parts = (tiles + p->part - 1) / p->part;
    for (size_t r = begin; r < end; r++) {
        const CK_U(double) *x = partial + r * parts;
        double sum = x[0];
        for (size_t i = 1; i < parts; i++) {
            sum = p->reduction == CK_REDUCE_MAX   ? ck_fmax((float)sum, (float)x[i])
                  : p->reduction == CK_REDUCE_MIN ? ck_fmin((float)sum, (float)x[i])
                                                  : sum + x[i];
        }
        if (p->reduction == CK_REDUCE_MEAN) sum /= (double)p->row;
        if (p->reduction == CK_REDUCE_L2) sum = sqrt(sum);
        out[r] = (float)sum;
    }
}

#else

// Element i of the result needs elements i of the operands only: a loop may run in vectors even where it works in place.
#define VECTOR _Pragma("clang loop vectorize(assume_safety)")

#define EACH(to, from, expr)                                        \
    do {                                                            \
        to *const o = (to *)out;                                    \
        const CK_U(from) *const xs = (const CK_U(from) *)a.at;                  \
        VECTOR for (size_t i = 0; i < n; i++) {                     \
            const from x = xs[i];                                   \
            o[i] = (to)(expr);                                      \
        }                                                           \
    } while (0)

#define PAIR(to, from, expr)                                        \
    do {                                                            \
        to *const o = (to *)out;                                    \
        const CK_U(from) *const xs = (const CK_U(from) *)a.at;                  \
        const CK_U(from) *const ys = (const CK_U(from) *)b.at;                  \
        if (a.step && b.step) {                                     \
            VECTOR for (size_t i = 0; i < n; i++) {                 \
                const from x = xs[i], y = ys[i];                    \
                o[i] = (to)(expr);                                  \
            }                                                       \
        } else if (a.step) {                                        \
            const from y = *ys;                                     \
            VECTOR for (size_t i = 0; i < n; i++) {                 \
                const from x = xs[i];                               \
                o[i] = (to)(expr);                                  \
            }                                                       \
        } else if (b.step) {                                        \
            const from x = *xs;                                     \
            VECTOR for (size_t i = 0; i < n; i++) {                 \
                const from y = ys[i];                               \
                o[i] = (to)(expr);                                  \
            }                                                       \
        } else {                                                    \
            const from x = *xs, y = *ys;                            \
            o[0] = (to)(expr);                                      \
        }                                                           \
    } while (0)

static void T(fill)(void *out, const void *value, size_t width, size_t n) {
#define FILL(type)                                             \
    do {                                                       \
        const type v = *(const CK_U(type) *)value;                   \
        VECTOR for (size_t i = 0; i < n; i++) ((type *)out)[i] = v; \
    } while (0)
    switch (width) {
    case 1: memset(out, *(const uint8_t *)value, n); break;
    case 2: FILL(uint16_t); break;
    case 4: FILL(uint32_t); break;
    default: FILL(uint64_t); break;
    }
#undef FILL
}

static void T(stage)(char *out, const char *base, const ck_program_input *in, size_t *index, ptrdiff_t offset,
                     size_t n) {
    const size_t width = in->width, last = in->rank - 1;
    const ptrdiff_t inner = in->strides[last];
    while (n > 0) {
        const size_t run = ck_min(n, in->dims[last] - index[last]);
        const char *from = base + offset * (ptrdiff_t)width;
        if (inner == 0) {
            T(fill)(out, from, width, run);
        } else if (inner == 1) {
            memcpy(out, from, run * width);
        } else {
#define TAKE(type) for (size_t i = 0; i < run; i++) ((type *)out)[i] = ((const CK_U(type) *)from)[(ptrdiff_t)i * inner]
            switch (width) {
            case 1: TAKE(uint8_t); break;
            case 2: TAKE(uint16_t); break;
            case 4: TAKE(uint32_t); break;
            default: TAKE(uint64_t); break;
            }
#undef TAKE
        }
        out += run * width;
        n -= run;
        size_t d = last;
        index[d] += run;
        offset += (ptrdiff_t)run * inner;
        while (index[d] == in->dims[d] && d > 0) {
            offset += in->strides[d - 1] - (ptrdiff_t)in->dims[d] * in->strides[d];
            index[d] = 0;
            index[--d]++;
        }
    }
}

#define INTEGER(type, wide)                                                                                    \
    switch (arg) {                                                                                             \
    case CK_BINARY_ADD: PAIR(type, type, (wide)x + (wide)y); break;                                            \
    case CK_BINARY_SUB: PAIR(type, type, (wide)x - (wide)y); break;                                            \
    case CK_BINARY_MUL: PAIR(type, type, (wide)x * (wide)y); break;                                            \
    case CK_BINARY_DIV: PAIR(type, type, y == 0 ? 0 : y == -1 ? (type)(0 - (wide)x) : x / y); break;           \
    case CK_BINARY_MAX: PAIR(type, type, x > y ? x : y); break;                                                \
    case CK_BINARY_MIN: PAIR(type, type, x < y ? x : y); break;                                                \
    default: break;                                                                                            \
    }

#define INTEGER_OF_ONE(type, wide)                                              \
    switch (arg) {                                                              \
    case CK_UNARY_NEG: EACH(type, type, 0 - (wide)x); break;                    \
    case CK_UNARY_ABS: EACH(type, type, x < 0 ? 0 - (wide)x : (wide)x); break;  \
    default: EACH(type, type, (x > 0) - (x < 0)); break;                        \
    }

#define COMPARE(type)                                              \
    switch (arg) {                                                 \
    case CK_PROGRAM_EQUAL: PAIR(uint8_t, type, x == y); break;     \
    case CK_PROGRAM_LESS: PAIR(uint8_t, type, x < y); break;       \
    default: PAIR(uint8_t, type, x <= y); break;                   \
    }

#define WHERE(type)                                                                             \
    do {                                                                                        \
        type *const o = (type *)out;                                                            \
        const uint8_t *const m = (const uint8_t *)a.at;                                         \
        const CK_U(type) *const xs = (const CK_U(type) *)b.at, *const ys = (const CK_U(type) *)c.at;              \
        if (b.step && c.step) {                                                                 \
            VECTOR for (size_t i = 0; i < n; i++) {                                             \
                const type x = xs[i], y = ys[i];                                                \
                o[i] = m[i] ? x : y;                                                            \
            }                                                                                   \
        } else if (b.step) {                                                                    \
            const type y = *ys;                                                                 \
            VECTOR for (size_t i = 0; i < n; i++) {                                             \
                const type x = xs[i];                                                           \
                o[i] = m[i] ? x : y;                                                            \
            }                                                                                   \
        } else if (c.step) {                                                                    \
            const type x = *xs;                                                                 \
            VECTOR for (size_t i = 0; i < n; i++) {                                             \
                const type y = ys[i];                                                           \
                o[i] = m[i] ? x : y;                                                            \
            }                                                                                   \
        } else {                                                                                \
            const type x = *xs, y = *ys;                                                        \
            VECTOR for (size_t i = 0; i < n; i++) o[i] = m[i] ? x : y;                          \
        }                                                                                       \
    } while (0)

static void T(where)(void *out, operand a, operand b, operand c, size_t width, size_t n) {
    if (!a.step) {
        const operand chosen = *(const uint8_t *)a.at ? b : c;
        if (chosen.step) {
            memmove(out, chosen.at, n * width);
        } else {
            T(fill)(out, chosen.at, width, n);
        }
        return;
    }
    switch (width) {
    case 1: WHERE(uint8_t); break;
    case 4: WHERE(uint32_t); break;
    default: WHERE(uint64_t); break;
    }
}

/// Towards zero, saturating, NaN to 0.
static inline __attribute__((always_inline)) int64_t T(integer)(float x) {
    return x != x ? 0 : x >= 0x1p63f ? INT64_MAX : x <= -0x1p63f ? INT64_MIN : (int64_t)x;
}

static void T(convert)(int32_t arg, void *out, operand a, size_t n) {
    switch (arg) {
    case CK_PROGRAM_F16_TO_F32: ck_f16_to_f32(out, a.at, n); break;
    case CK_PROGRAM_F32_TO_F16: ck_f32_to_f16(out, a.at, n); break;
    case CK_PROGRAM_BF16_TO_F32: ck_bf16_to_f32(out, a.at, n); break;
    case CK_PROGRAM_F32_TO_BF16: ck_f32_to_bf16(out, a.at, n); break;
    case CK_PROGRAM_ROUND_F16:
    case CK_PROGRAM_ROUND_BF16:
        for (size_t i = 0; i < n; i += 64) {
            uint16_t narrow[64];
            const size_t m = ck_min(64, n - i);
            if (arg == CK_PROGRAM_ROUND_F16) {
                ck_f32_to_f16(narrow, (const CK_U(float) *)a.at + i, m);
                ck_f16_to_f32((float *)out + i, narrow, m);
            } else {
                ck_f32_to_bf16(narrow, (const CK_U(float) *)a.at + i, m);
                ck_bf16_to_f32((float *)out + i, narrow, m);
            }
        }
        break;
    case CK_PROGRAM_I32_TO_F32: ck_i32_to_f32(out, a.at, n); break;
    case CK_PROGRAM_I64_TO_F32: ck_i64_to_f32(out, a.at, n); break;
    case CK_PROGRAM_U8_TO_F32: ck_u8_to_f32(out, a.at, n); break;
    case CK_PROGRAM_F32_TO_I32: EACH(int32_t, float, T(integer)(x)); break;
    case CK_PROGRAM_F32_TO_I64: EACH(int64_t, float, T(integer)(x)); break;
    case CK_PROGRAM_F32_TO_BOOL: EACH(uint8_t, float, x != 0); break;
    case CK_PROGRAM_I32_TO_I64: EACH(int64_t, int32_t, x); break;
    case CK_PROGRAM_I64_TO_I32: EACH(int32_t, int64_t, x); break;
    case CK_PROGRAM_U8_TO_I32: EACH(int32_t, uint8_t, x); break;
    case CK_PROGRAM_U8_TO_I64: EACH(int64_t, uint8_t, x); break;
    case CK_PROGRAM_I32_TO_BOOL: EACH(uint8_t, int32_t, x != 0); break;
    default: EACH(uint8_t, int64_t, x != 0); break;
    }
}

// One pass of (x first y) second z. At most one of x and y is repeated; z may be.
#define WALK(load_x, load_y, load_z, expr)                       \
    do {                                                         \
        size_t i = 0;                                            \
        for (; i + W <= n; i += W) {                             \
            const vf x = load_x(LD, xs), y = load_y(LD, ys), z = load_z(LD, zs); \
            ST(o + i, (expr));                                   \
        }                                                        \
        if (i < n) {                                             \
            const size_t m = n - i;                              \
            const vf x = load_x(LAST, xs), y = load_y(LAST, ys), z = load_z(LAST, zs); \
            STN(o + i, (expr), m);                               \
        }                                                        \
    } while (0)
#define LAST(p) LDN(p, m)
#define STREAM(load, p) load(p + i)
#define SAME_X(load, p) xr
#define SAME_Y(load, p) yr
#define SAME_Z(load, p) zr
#define PASS(expr)                                               \
    do {                                                         \
        if (a.step && b.step) {                                  \
            if (c.step) WALK(STREAM, STREAM, STREAM, expr);      \
            else WALK(STREAM, STREAM, SAME_Z, expr);             \
        } else if (a.step) {                                     \
            if (c.step) WALK(STREAM, SAME_Y, STREAM, expr);      \
            else WALK(STREAM, SAME_Y, SAME_Z, expr);             \
        } else {                                                 \
            if (c.step) WALK(SAME_X, STREAM, STREAM, expr);      \
            else WALK(SAME_X, STREAM, SAME_Z, expr);             \
        }                                                        \
    } while (0)
#define SECONDS(first)                                                                \
    switch (arg & 7) {                                                                \
    case CK_PROGRAM_ADD: PASS((first) + z); break;                                    \
    case CK_PROGRAM_SUB: PASS((first) - z); break;                                    \
    case CK_PROGRAM_MUL: PASS((first) * z); break;                                    \
    case CK_PROGRAM_DIV: PASS((first) / z); break;                                    \
    default: PASS(z - (first)); break;                                                \
    }

static void T(pair)(int32_t arg, float *o, operand a, operand b, operand c, size_t n) {
// Each operation rounds, as if its result had been stored.
#pragma clang fp contract(off)
    const CK_U(float) *const xs = a.at, *const ys = b.at, *const zs = c.at;
    const vf xr = VS(*xs), yr = VS(*ys), zr = VS(*zs);
    if (!a.step && !b.step) {
        // Only z moves: the first operation once.
        const float x = *xs, y = *ys;
        const float first = arg >> 3 == CK_PROGRAM_ADD ? x + y : arg >> 3 == CK_PROGRAM_SUB ? x - y : x * y;
        const bool reversed = (arg & 7) == CK_PROGRAM_SUB_REVERSED;
        const int32_t second = reversed ? CK_BINARY_SUB : (arg & 7) == CK_PROGRAM_ADD ? CK_BINARY_ADD
                               : (arg & 7) == CK_PROGRAM_SUB ? CK_BINARY_SUB
                               : (arg & 7) == CK_PROGRAM_MUL ? CK_BINARY_MUL : CK_BINARY_DIV;
        if (reversed) {
            ck_binary_span_f32(second, o, zs, c.step, &first, 0, n, NULL);
        } else {
            ck_binary_span_f32(second, o, &first, 0, zs, c.step, n, NULL);
        }
        return;
    }
    switch (arg >> 3) {
    case CK_PROGRAM_ADD: SECONDS(x + y); break;
    case CK_PROGRAM_SUB: SECONDS(x - y); break;
    default: SECONDS(x * y); break;
    }
}

#undef WALK
#undef LAST
#undef STREAM
#undef SAME_X
#undef SAME_Y
#undef SAME_Z
#undef PASS
#undef SECONDS

static void T(quantize)(const ck_program_step *s, void *out, const void *a, size_t n) {
    const float scale = s->p0;
    if (s->op == CK_PROGRAM_QUANTIZE) {
        if (s->arg) {
            const int8_t zero = (int8_t)s->p1;
            ck_quantize_s8(out, a, &scale, &zero, 1, n, 0, 1);
        } else {
            const uint8_t zero = (uint8_t)s->p1;
            ck_quantize_u8(out, a, &scale, &zero, 1, n, 0, 1);
        }
    } else if (s->arg) {
        const int8_t zero = (int8_t)s->p1;
        ck_dequantize_s8(out, a, &scale, &zero, 1, n, 0, 1);
    } else {
        const uint8_t zero = (uint8_t)s->p1;
        ck_dequantize_u8(out, a, &scale, &zero, 1, n, 0, 1);
    }
}

static void T(step)(const ck_program_step *s, void *out, operand a, operand b, operand c, size_t n) {
    const int32_t arg = s->arg;
    switch (s->op) {
    case CK_PROGRAM_UNARY_F32: ck_unary_f32(arg, out, a.at, n, s->p0, s->p1); break;
    case CK_PROGRAM_BINARY_F32: ck_binary_span_f32(arg, out, a.at, a.step, b.at, b.step, n, NULL); break;
    case CK_PROGRAM_PAIR_F32: T(pair)(arg, out, a, b, c, n); break;
    case CK_PROGRAM_BINARY_I32: INTEGER(int32_t, uint32_t); break;
    case CK_PROGRAM_BINARY_I64: INTEGER(int64_t, uint64_t); break;
    case CK_PROGRAM_UNARY_I32: INTEGER_OF_ONE(int32_t, uint32_t); break;
    case CK_PROGRAM_UNARY_I64: INTEGER_OF_ONE(int64_t, uint64_t); break;
    case CK_PROGRAM_COMPARE_F32: COMPARE(float); break;
    case CK_PROGRAM_COMPARE_I32: COMPARE(int32_t); break;
    case CK_PROGRAM_COMPARE_I64: COMPARE(int64_t); break;
    case CK_PROGRAM_COMPARE_U8: COMPARE(uint8_t); break;
    case CK_PROGRAM_LOGIC:
        switch (arg) {
        case CK_PROGRAM_AND: PAIR(uint8_t, uint8_t, (x != 0) & (y != 0)); break;
        case CK_PROGRAM_OR: PAIR(uint8_t, uint8_t, (x | y) != 0); break;
        case CK_PROGRAM_XOR: PAIR(uint8_t, uint8_t, (x != 0) != (y != 0)); break;
        default: EACH(uint8_t, uint8_t, x == 0); break;
        }
        break;
    case CK_PROGRAM_WHERE: T(where)(out, a, b, c, (size_t)arg, n); break;
    case CK_PROGRAM_CONVERT: T(convert)(arg, out, a, n); break;
    case CK_PROGRAM_QUANTIZE:
    case CK_PROGRAM_DEQUANTIZE: T(quantize)(s, out, a.at, n); break;
    case CK_PROGRAM_IS_NAN: EACH(uint8_t, float, x != x); break;
    case CK_PROGRAM_IS_INF: {
        const bool below = s->p0 != 0, above = s->p1 != 0;
        EACH(uint8_t, float, (below & (x == -INFINITY)) | (above & (x == INFINITY)));
        break;
    }
    default: break;
    }
}

/// Runs the steps on a tile of n elements; the last one's result goes to `out`, all n elements of it.
static void T(steps)(const ck_program *p, operand *slot, size_t n, void *out) {
    const ck_program_step *s = p->step, *const last = s + p->steps - 1;
    for (; s <= last; s++) {
        const operand a = slot[s->a], b = slot[s->b], c = slot[s->c];
        // What all operands repeat is computed once.
        const size_t m = a.step | b.step | c.step ? n : 1;
        void *const to = s == last ? out : slot[s->out].at;
        T(step)(s, to, a, b, c, m);
        slot[s->out].step = m == n;
        if (s == last && m < n) {
            uint64_t value = 0;
            memcpy(&value, to, (size_t)s->width);
            T(fill)(to, &value, (size_t)s->width, n);
        }
    }
}

#undef EACH
#undef PAIR
#undef INTEGER
#undef INTEGER_OF_ONE
#undef COMPARE
#undef WHERE
#undef VECTOR
#endif
