// Binary elementwise operations. The N-d walk cuts the output into runs; a run is one vector loop.
#ifndef CK_TIER
#include "include/ck_binary.h"
#include "internal.h"
#include "nd.h"

#define CK_SELF "binary.c"
#include "tiers.h"

enum { CHUNK = 2048 };  // elements between an operation and its activation: they stay in L1

static void span_f32(int32_t op, float *out, const CK_U(float) *a, size_t sa, const CK_U(float) *b, size_t sb, size_t n) {
    CK_CALL(binary_span, op, out, a, sa, b, sb, n);
}

void ck_binary_span_f32(int32_t op, float *out, const CK_U(float) *a, size_t sa, const CK_U(float) *b, size_t sb, size_t n,
                        const ck_activation *act) {
    if (!act || act->op == CK_UNARY_NONE) {
        span_f32(op, out, a, sa, b, sb, n);
        return;
    }
    for (size_t i = 0; i < n; i += CHUNK) {
        const size_t m = ck_min(CHUNK, n - i);
        span_f32(op, out + i, a + i * sa, sa, b + i * sb, sb, m);
        ck_unary_f32(act->op, out + i, out + i, m, act->p0, act->p1);
    }
}

void ck_binary_f32(int32_t op, float *out, const CK_U(float) *a, const CK_U(float) *b, size_t rank, const size_t *dims,
                   const ptrdiff_t *a_strides, const ptrdiff_t *b_strides, size_t begin, size_t end,
                   const ck_activation *act) {
    const ptrdiff_t *const strides[] = {a_strides, b_strides};
    nd_walk w;
    nd_start(&w, rank, dims, 2, strides, begin, end);
    const ptrdiff_t sa = w.strides[0][w.rank - 1], sb = w.strides[1][w.rank - 1];
    const bool direct = (sa == 0 || sa == 1) && (sb == 0 || sb == 1);
    out += begin;
    for (size_t n; (n = nd_run(&w)) > 0; out += n) {
        const CK_U(float) *pa = a + w.offset[0], *pb = b + w.offset[1];
        if (direct) {
            ck_binary_span_f32(op, out, pa, (size_t)sa, pb, (size_t)sb, n, act);
        } else {
            float ta[256], tb[256];
            n = ck_min(n, 256);
            for (size_t i = 0; i < n; i++) {
                ta[i] = pa[(ptrdiff_t)i * sa];
                tb[i] = pb[(ptrdiff_t)i * sb];
            }
            ck_binary_span_f32(op, out, ta, 1, tb, 1, n, act);
        }
        nd_next(&w, n);
    }
}

#define RUN(expr)                                                        \
    for (size_t i = 0; i < n; i++) {                                     \
        const elem x = pa[(ptrdiff_t)i * sa], y = pb[(ptrdiff_t)i * sb]; \
        out[i] = (expr);                                                 \
    }                                                                    \
    break

#define GENERIC(name, type, utype, divide, maximum, minimum)                                                       \
    void name(int32_t op, type *out, const CK_U(type) *a, const CK_U(type) *b, size_t rank, const size_t *dims,                \
              const ptrdiff_t *a_strides, const ptrdiff_t *b_strides, size_t begin, size_t end) {                  \
        typedef type elem;                                                                                         \
        const ptrdiff_t *const strides[] = {a_strides, b_strides};                                                 \
        nd_walk w;                                                                                                 \
        nd_start(&w, rank, dims, 2, strides, begin, end);                                                          \
        const ptrdiff_t sa = w.strides[0][w.rank - 1], sb = w.strides[1][w.rank - 1];                              \
        out += begin;                                                                                              \
        for (size_t n; (n = nd_run(&w)) > 0; out += n) {                                                           \
            const CK_U(type) *pa = a + w.offset[0], *pb = b + w.offset[1];                                               \
            switch (op) {                                                                                          \
            case CK_BINARY_ADD: RUN((type)((utype)x + (utype)y));                                                  \
            case CK_BINARY_SUB: RUN((type)((utype)x - (utype)y));                                                  \
            case CK_BINARY_MUL: RUN((type)((utype)x * (utype)y));                                                  \
            case CK_BINARY_DIV: RUN(divide);                                                                       \
            case CK_BINARY_MAX: RUN(maximum);                                                                      \
            case CK_BINARY_MIN: RUN(minimum);                                                                      \
            default: break;                                                                                        \
            }                                                                                                      \
            nd_next(&w, n);                                                                                        \
        }                                                                                                          \
    }

GENERIC(ck_binary_i32, int32_t, uint32_t, y == 0 ? 0 : y == -1 ? (int32_t)(0u - (uint32_t)x) : x / y, x > y ? x : y,
        x < y ? x : y)
GENERIC(ck_binary_i64, int64_t, uint64_t, y == 0 ? 0 : y == -1 ? (int64_t)(0u - (uint64_t)x) : x / y, x > y ? x : y,
        x < y ? x : y)
GENERIC(ck_binary_f64, double, double, x / y, x != x ? x : x > y ? x : y, x != x ? x : x < y ? x : y)

#else

#define LOOP(expr)                                                                \
    do {                                                                          \
        size_t i = 0;                                                             \
        if (sa && sb) {                                                           \
            for (; i + W <= n; i += W) {                                          \
                const vf x = LD(a + i), y = LD(b + i);                            \
                ST(out + i, (expr));                                              \
            }                                                                     \
        } else if (sa) {                                                          \
            const vf y = yb;                                                      \
            for (; i + W <= n; i += W) {                                          \
                const vf x = LD(a + i);                                           \
                ST(out + i, (expr));                                              \
            }                                                                     \
        } else if (sb) {                                                          \
            const vf x = xa;                                                      \
            for (; i + W <= n; i += W) {                                          \
                const vf y = LD(b + i);                                           \
                ST(out + i, (expr));                                              \
            }                                                                     \
        } else {                                                                  \
            const vf x = xa, y = yb, r = (expr);                                  \
            for (; i + W <= n; i += W) ST(out + i, r);                            \
        }                                                                         \
        if (i < n) {                                                              \
            const vf x = sa ? LDN(a + i, n - i) : xa, y = sb ? LDN(b + i, n - i) : yb; \
            STN(out + i, (expr), n - i);                                          \
        }                                                                         \
    } while (0)

static void T(binary_span)(int32_t op, float *out, const CK_U(float) *a, size_t sa, const CK_U(float) *b, size_t sb, size_t n) {
    if (n == 0) return;
    const vf xa = VS(*a), yb = VS(*b);
    switch (op) {
    case CK_BINARY_ADD: LOOP(x + y); break;
    case CK_BINARY_SUB: LOOP(x - y); break;
    case CK_BINARY_MUL: LOOP(x * y); break;
    case CK_BINARY_DIV: LOOP(x / y); break;
    case CK_BINARY_MAX: LOOP(vmax(x, y)); break;
    case CK_BINARY_MIN: LOOP(vmin(x, y)); break;
    case CK_BINARY_PRELU: LOOP(vsel(x < VS(0), x * y, x)); break;
    case CK_BINARY_POW: {
        const float e = *b;
        if (!sb && e == 2) {
            LOOP(x * x + y * VS(0));
        } else if (!sb && e == 1) {
            LOOP(x + y * VS(0));
        } else if (!sb && e == 3) {
            LOOP(x * x * x + y * VS(0));
        } else if (!sb && e == 0.5f) {  // pow(-inf, 0.5) = inf and pow(-0, 0.5) = 0, unlike sqrt
            LOOP(vsel(x == VS(-INFINITY), VS(INFINITY), __builtin_elementwise_sqrt(x + VS(0)) + y * VS(0)));
        } else {
            for (size_t i = 0; i < n; i++) out[i] = powf(a[i * sa], b[i * sb]);
        }
        break;
    }
    default: break;
    }
}

#undef LOOP
#endif
