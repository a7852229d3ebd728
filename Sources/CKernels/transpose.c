// Data movement by element width. No tiers: these loops are bound by memory.
#include "include/ck_transpose.h"
#include "internal.h"
#include "nd.h"

typedef struct {
    uint64_t lo, hi;
} wide16;
typedef wide16 ck_u_wide16 __attribute__((aligned(1)));

/// Copies a run of n elements between strides.
static inline void copy_run(char *dst, ptrdiff_t ds, const char *src, ptrdiff_t ss, size_t n, size_t width) {
    if (ds == 1 && ss == 1) {
        memcpy(dst, src, n * width);
        return;
    }
#define RUN(type)                                                     \
    for (size_t i = 0; i < n; i++) {                                  \
        type v;                                                       \
        memcpy(&v, src + (ptrdiff_t)i * ss * (ptrdiff_t)sizeof v, sizeof v); \
        memcpy(dst + (ptrdiff_t)i * ds * (ptrdiff_t)sizeof v, &v, sizeof v); \
    }                                                                 \
    break
    switch (width) {
    case 1: RUN(uint8_t);
    case 2: RUN(uint16_t);
    case 4: RUN(uint32_t);
    case 8: RUN(uint64_t);
    default: RUN(wide16);
    }
#undef RUN
}

static void copy(char *out, const char *in, size_t width, size_t rank, const size_t *dims, const ptrdiff_t *out_strides,
                 const ptrdiff_t *in_strides, size_t begin, size_t end) {
    const ptrdiff_t *const strides[] = {out_strides, in_strides};
    nd_walk w;
    nd_start(&w, rank, dims, 2, strides, begin, end);
    const ptrdiff_t ds = w.strides[0][w.rank - 1], ss = w.strides[1][w.rank - 1], bytes = (ptrdiff_t)width;
    for (size_t n; (n = nd_run(&w)) > 0; nd_next(&w, n))
        copy_run(out + w.offset[0] * bytes, ds, in + w.offset[1] * bytes, ss, n, width);
}

static void contiguous(size_t rank, const size_t *dims, ptrdiff_t *strides) {
    ptrdiff_t s = 1;
    for (size_t d = rank; d-- > 0; s *= (ptrdiff_t)dims[d]) strides[d] = s;
}

void ck_copy_from_strided(void *out, const void *in, size_t width, size_t rank, const size_t *dims,
                          const ptrdiff_t *in_strides, size_t begin, size_t end) {
    ptrdiff_t strides[CK_MAX_RANK];
    contiguous(rank, dims, strides);
    copy(out, in, width, rank, dims, strides, in_strides, begin, end);
}

void ck_copy_to_strided(void *out, const void *in, size_t width, size_t rank, const size_t *dims,
                        const ptrdiff_t *out_strides, size_t begin, size_t end) {
    ptrdiff_t strides[CK_MAX_RANK];
    contiguous(rank, dims, strides);
    copy(out, in, width, rank, dims, out_strides, strides, begin, end);
}

void ck_fill_strided(void *out, const void *value, size_t width, size_t rank, const size_t *dims,
                     const ptrdiff_t *out_strides, size_t begin, size_t end) {
    static const ptrdiff_t zeros[CK_MAX_RANK] = {0};
    copy(out, value, width, rank, dims, out_strides, zeros, begin, end);
}

/// out[r][c] (row stride out_row) = in[c][r] (row stride in_row): blocks of 16 x 16, each within a few cache lines.
#define BLOCKED(name, type)                                                                                          \
    static void name(type *out, size_t out_row, const CK_U(type) *in, size_t in_row, size_t rows, size_t cols) {           \
        enum { B = sizeof(type) == 1 ? 32 : 16 };                                                                    \
        for (size_t r0 = 0; r0 < rows; r0 += B) {                                                                    \
            const size_t r1 = ck_min(rows, r0 + B);                                                                  \
            for (size_t c0 = 0; c0 < cols; c0 += B) {                                                                \
                const size_t c1 = ck_min(cols, c0 + B);                                                              \
                for (size_t r = r0; r < r1; r++) {                                                                   \
                    for (size_t c = c0; c < c1; c++) out[r * out_row + c] = in[c * in_row + r];                      \
                }                                                                                                    \
            }                                                                                                        \
        }                                                                                                            \
    }
BLOCKED(blocked1, uint8_t)
BLOCKED(blocked2, uint16_t)
BLOCKED(blocked8, uint64_t)
BLOCKED(blocked16, wide16)

/// Three rows become triples: the channels of an image.
static void interleave3(uint32_t *out, const CK_U(uint32_t) *in, size_t in_row, size_t rows) {
    const CK_U(uint32_t) *x = in, *y = in + in_row, *z = in + 2 * in_row;
    size_t r = 0;
    for (; r + 4 <= rows; r += 4, out += 12) {
        const ck_u32x4 a = *(const ck_u32x4_at *)(x + r), b = *(const ck_u32x4_at *)(y + r), c = *(const ck_u32x4_at *)(z + r);
        const ck_u32x4 ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), bc = __builtin_shufflevector(b, c, 1, 5, 2, 6),
                       ca = __builtin_shufflevector(c, a, 2, 7, 3, 6);
        *(ck_u32x4_at *)out = __builtin_shufflevector(ab, c, 0, 1, 4, 2);
        *(ck_u32x4_at *)(out + 4) = __builtin_shufflevector(bc, a, 0, 1, 6, 2);
        *(ck_u32x4_at *)(out + 8) = __builtin_shufflevector(ca, b, 0, 1, 7, 2);
    }
    for (; r < rows; r++, out += 3) {
        out[0] = x[r];
        out[1] = y[r];
        out[2] = z[r];
    }
}

static void blocked4(uint32_t *out, size_t out_row, const CK_U(uint32_t) *in, size_t in_row, size_t rows, size_t cols) {
    if (cols == 3 && out_row == 3) return interleave3(out, in, in_row, rows);
    const size_t rows4 = rows & ~(size_t)3, cols4 = cols & ~(size_t)3;
    for (size_t r0 = 0; r0 < rows4; r0 += 16) {
        const size_t r1 = ck_min(rows4, r0 + 16);
        for (size_t c = 0; c < cols4; c += 4) {
            for (size_t r = r0; r < r1; r += 4) ck_transpose_4x4(out + r * out_row + c, out_row, in + c * in_row + r, in_row);
        }
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = r < rows4 ? cols4 : 0; c < cols; c++) out[r * out_row + c] = in[c * in_row + r];
    }
}

static void blocked(char *out, size_t out_row, const char *in, size_t in_row, size_t rows, size_t cols, size_t width) {
    switch (width) {
    case 1: blocked1((uint8_t *)out, out_row, (const uint8_t *)in, in_row, rows, cols); break;
    case 2: blocked2((uint16_t *)out, out_row, (const CK_U(uint16_t) *)in, in_row, rows, cols); break;
    case 4: blocked4((uint32_t *)out, out_row, (const CK_U(uint32_t) *)in, in_row, rows, cols); break;
    case 8: blocked8((uint64_t *)out, out_row, (const CK_U(uint64_t) *)in, in_row, rows, cols); break;
    default: blocked16((wide16 *)out, out_row, (const wide16 *)in, in_row, rows, cols); break;
    }
}

void ck_transpose_matrix(void *out, size_t out_row, const void *in, size_t in_row, size_t rows, size_t cols, size_t width) {
    blocked(out, out_row, in, in_row, rows, cols, width);
}

void ck_transpose(void *out, const void *in, size_t width, size_t rank, const size_t *dims, const size_t *perm,
                  size_t begin, size_t end) {
    ptrdiff_t in_strides[CK_MAX_RANK], out_strides[CK_MAX_RANK], src[CK_MAX_RANK];
    size_t shape[CK_MAX_RANK];
    contiguous(rank, dims, in_strides);
    for (size_t d = 0; d < rank; d++) {
        shape[d] = dims[perm[d]];
        src[d] = in_strides[perm[d]];
    }
    contiguous(rank, shape, out_strides);
    const ptrdiff_t *const strides[] = {out_strides, src};
    nd_walk w;
    nd_start(&w, rank, shape, 2, strides, begin, end);
    const size_t last = w.rank - 1;
    const bool two_d = w.rank >= 2 && w.strides[1][last] != 1 && w.strides[1][last - 1] == 1;
    const ptrdiff_t bytes = (ptrdiff_t)width;
    while (w.left > 0) {
        char *dst = (char *)out + w.offset[0] * bytes;
        const char *from = (const char *)in + w.offset[1] * bytes;
        const size_t cols = w.dims[last];
        if (two_d && w.index[last] == 0 && w.left >= 2 * cols) {
            const size_t rows = ck_min(w.dims[last - 1] - w.index[last - 1], w.left / cols);
            blocked(dst, cols, from, (size_t)w.strides[1][last], rows, cols, width);
            for (size_t r = 0; r < rows; r++) nd_next(&w, cols);
            continue;
        }
        const size_t n = nd_run(&w);
        copy_run(dst, 1, from, w.strides[1][last], n, width);
        nd_next(&w, n);
    }
}
