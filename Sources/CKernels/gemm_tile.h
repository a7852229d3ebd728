// Private to gemm.c, included once per tier: the register tile of the float32 product.
#if CK_TIER == 2
#define MR 14
#else
#define MR 6
#endif
#define NR (2 * W)

/// What a tile does to its sums before it stores them: + bias[column] + residual, then a clamp or HardSwish.
typedef struct T(tail) {
    const CK_U(float) *bias, *residual;
    size_t stride;  ///< of residual
    float low, high;
    bool swish;
} T(tail);

/// The `last` vector of a row may be one of `left` columns.
static inline __attribute__((always_inline)) vf T(get)(const CK_U(float) *p, bool last, size_t left) {
    return last && left < W ? LDN(p, left) : LD(p);
}

static inline __attribute__((always_inline)) vf T(apply)(const T(tail) *t, vf x, vf bias, size_t row, size_t col, bool last,
                                                         size_t left) {
    x += bias;
    if (t->residual) x += T(get)(t->residual + row * t->stride + col, last, left);
    if (t->swish) return x * vclamp(x * VS(1.0f / 6.0f) + VS(0.5f), VS(0), VS(1));
    return vclamp(x, VS(t->low), VS(t->high));
}

#if CK_TIER == 2
/// Byte offsets of a tile's rows: base + {1, 2, 4, 8} * offset reaches all of them without a sum in the loop, whose scalar
/// instructions would take turns with the products on a port.
typedef struct row_offsets {
    ptrdiff_t l1, l3, l5, l7, l9, l11, l13;
} row_offsets;

/// One row: the products go before the next row's load, or the compiler moves loads up until sums leave their registers.
#define ROW(i, address)                                                                                     \
    if (rows > i) {                                                                                         \
        vf x;                                                                                               \
        __asm__ volatile("vbroadcastss %c[d](%[a]" address "), %[x]"                                        \
                         : [x] "=v"(x)                                                                      \
                         : [a] "r"(a), [l1] "r"(l.l1), [l3] "r"(l.l3), [l5] "r"(l.l5), [l7] "r"(l.l7),       \
                           [l9] "r"(l.l9), [l11] "r"(l.l11), [l13] "r"(l.l13), [d] "i"(4 * at),             \
                           "m"(*(const float(*)[1 << 20])a));                                               \
        acc[i][0] = VFMA(x, b0, acc[i][0]);                                                                 \
        if (vectors > 1) {                                                                                  \
            acc[i][1] = VFMA(x, b1, acc[i][1]);                                                             \
            __asm__ volatile("" : "+v"(acc[i][0]), "+v"(acc[i][1]));                                        \
        } else {                                                                                            \
            __asm__ volatile("" : "+v"(acc[i][0]));                                                         \
        }                                                                                                   \
    }

/// Step `at` along k of a tile.
static inline __attribute__((always_inline)) void T(step)(const int rows, const int vectors, const int at, vf (*acc)[2],
                                                          const CK_U(float) *a, row_offsets l, const CK_U(float) *b) {
    const vf b0 = LD(b + at * NR), b1 = vectors > 1 ? LD(b + at * NR + W) : b0;
    ROW(0, "") ROW(1, ",%[l1]") ROW(2, ",%[l1],2") ROW(3, ",%[l3]") ROW(4, ",%[l1],4") ROW(5, ",%[l5]") ROW(6, ",%[l3],2")
    ROW(7, ",%[l7]") ROW(8, ",%[l1],8") ROW(9, ",%[l9]") ROW(10, ",%[l5],2") ROW(11, ",%[l11]") ROW(12, ",%[l3],4")
    ROW(13, ",%[l13]")
}
#undef ROW
#else
static inline __attribute__((always_inline)) void T(step)(const int rows, const int vectors, const int at, vf (*acc)[2],
                                                          const CK_U(float) *a, ptrdiff_t lda, const CK_U(float) *b) {
    const vf b0 = LD(b + at * NR), b1 = vectors > 1 ? LD(b + at * NR + W) : b0;
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        const vf x = VS(a[i * lda + at]);
        acc[i][0] = VFMA(x, b0, acc[i][0]);
        if (vectors > 1) acc[i][1] = VFMA(x, b1, acc[i][1]);
    }
}
#endif

/// c (+)= rows of A (lda apart, as they lie in memory) times `vectors` vectors of a panel of B (k x NR), `left` columns of the
/// last one. First block stores, others add; `tail` follows the last block. `ahead`: k / 2 cache lines from there are fetched
/// into the second-level cache meanwhile.
static inline __attribute__((always_inline)) void T(tile)(const int rows, const int vectors, size_t left, size_t k,
                                                          const CK_U(float) *a, size_t lda, const CK_U(float) *b, float *c, size_t ldc,
                                                          bool first, const T(tail) *tail, const CK_U(float) *ahead) {
    vf acc[MR][2];
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        acc[i][0] = acc[i][1] = VS(0);
        __builtin_prefetch(c + (size_t)i * ldc, 1);
        if (vectors > 1) __builtin_prefetch(c + (size_t)i * ldc + W, 1);
    }
#if CK_TIER == 2
    const ptrdiff_t l1 = (ptrdiff_t)lda * 4;
    const row_offsets l = {l1, 3 * l1, 5 * l1, 7 * l1, 9 * l1, 11 * l1, 13 * l1};
#else
    const ptrdiff_t l = (ptrdiff_t)lda;
#endif
    size_t p = 0;
    for (; p + 2 <= k; p += 2, a += 2, b += 2 * NR, ahead += 16) {
        __builtin_prefetch(ahead, 0, 2);
        T(step)(rows, vectors, 0, acc, a, l, b);
        T(step)(rows, vectors, 1, acc, a, l, b);
    }
    if (p < k) T(step)(rows, vectors, 0, acc, a, l, b);
    const bool whole = left == W;
    vf bias0 = VS(0), bias1 = VS(0);
    if (tail && tail->bias) {
        bias0 = T(get)(tail->bias, vectors == 1, left);
        if (vectors > 1) bias1 = T(get)(tail->bias + W, true, left);
    }
#pragma clang loop unroll(full)
    for (int i = 0; i < rows; i++) {
        float *row = c + (size_t)i * ldc;
        vf x = acc[i][0], y = acc[i][1];
        if (!first) {
            x += T(get)(row, vectors == 1, left);
            if (vectors > 1) y += T(get)(row + W, true, left);
        }
        if (tail) {
            x = T(apply)(tail, x, bias0, (size_t)i, 0, vectors == 1, left);
            if (vectors > 1) y = T(apply)(tail, y, bias1, (size_t)i, W, true, left);
        }
        if (vectors > 1) {
            ST(row, x);
            x = y;
            row += W;
        }
        if (whole) {
            ST(row, x);
        } else {
            STN(row, x, left);
        }
    }
}

/// `cols` of the panel's columns.
static void T(tile_any)(size_t rows, size_t cols, size_t k, const CK_U(float) *a, size_t lda, const CK_U(float) *b, float *c,
                        size_t ldc, bool first, const T(tail) *tail, const CK_U(float) *ahead) {
    const size_t left = cols <= W ? cols : cols < NR ? cols - W : W;
    switch (rows + (cols <= W ? 16 : 0)) {
#define CASE(r)                                                                   \
    case r: T(tile)(r, 2, left, k, a, lda, b, c, ldc, first, tail, ahead); break; \
    case 16 + r: T(tile)(r, 1, left, k, a, lda, b, c, ldc, first, tail, ahead); break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if CK_TIER == 2
    CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
#undef CASE
    default: break;
    }
}
