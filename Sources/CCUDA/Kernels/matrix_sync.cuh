// Tiles in shared memory, asynchronous copies into them, and products of a warp's 16 rows by mma.sync; sm_80 and newer.
// float16 and bfloat16: mma.m16n8k16. float32: each factor is split into two tf32 numbers and three products of them are added,
// which leaves an error of about 1e-6; with TF32 each factor is rounded to one such number.
#pragma once

#ifndef COPY_BYTES  // 16, 8 or 4: all addresses and strides of Q, K and V are multiples of it; else 2 (float32: 4)
#define COPY_BYTES 16
#endif
#ifndef TF32  // 1, with float32: factors are rounded to tf32
#define TF32 0
#endif

constexpr int SIZE = sizeof(element);
// Bytes from row to row. The surplus spreads the rows over the banks: what a warp reads at once (16 bytes of each of eight rows;
// float32: 8 bytes of each of four rows, or 4 bytes of eight columns in rows two apart) meets each bank once.
constexpr int PITCH = HEAD * SIZE + (ELEMENT == 2 ? 32 : 16);
constexpr int PITCH_V = HEAD_V * SIZE + 16;

/// Begins to copy `count` rows of `size` elements into `height` rows of `width`; the rest becomes zero. By `threads` threads.
template <int width, int height, int pitch, int threads>
DEVICE void copy_rows(u32 to, const element *from, i64 stride, int count, int size, int thread) {
    constexpr int chunks = width * SIZE / COPY_BYTES;
#pragma unroll 4
    for (int i = thread; i < chunks * height; i += threads) {
        const int row = i / chunks, column = i % chunks * (COPY_BYTES / SIZE);
        const u32 at = to + row * pitch + column * SIZE;
        const int left = row < count ? max_of(0, min_of(size - column, COPY_BYTES / SIZE)) : 0;
        const element *source = left ? from + row * stride + column : from;
#if COPY_BYTES == 16
        asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16, %2;" ::"r"(at), "l"(source), "r"(left * SIZE) : "memory");
#elif COPY_BYTES >= 4
        asm volatile("cp.async.ca.shared.global [%0], [%1], %3, %2;" ::"r"(at), "l"(source), "r"(left * SIZE), "n"(COPY_BYTES) : "memory");
#else
        const u16 x = left ? *(const u16 *)source : 0;
        asm volatile("st.shared.u16 [%0], %1;" ::"r"(at), "h"(x) : "memory");
#endif
    }
}
DEVICE void copies_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most `pending` of this thread's groups are under way.
template <int pending> DEVICE void copies_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory"); }

template <int M, int N> DEVICE void clear(float (&x)[M][N]) {
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
        for (int i = 0; i < N; i++) x[m][i] = 0;
    }
}

#if ELEMENT != 2

template <bool transposed> DEVICE void load_matrices(u32 (&r)[4], u32 from) {
    if (transposed)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(from) : "memory");
}

/// d[16][8] += a[16][16] b[16][8]
DEVICE void multiply(float *d, const u32 *a, u32 b0, u32 b1) {
#if ELEMENT == 0
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#endif
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// s = q kT: M times 16 rows of Q from `q` on, N of K from `k` on.
template <int M, int N> DEVICE void multiply_keys(float (&s)[M][N / 2], u32 q, u32 k) {
    const int lane = threadIdx.x % 32;
    q += lane % 16 * PITCH + lane / 16 * 16;
    k += (lane % 8 + lane / 16 * 8) * PITCH + lane / 8 % 2 * 16;
    clear(s);
#pragma unroll
    for (int d = 0; d < HEAD; d += 16) {
        u32 a[M][4];
#pragma unroll
        for (int m = 0; m < M; m++) load_matrices<false>(a[m], q + m * 16 * PITCH + d * 2);
#pragma unroll
        for (int n = 0; n < N; n += 16) {
            u32 b[4];
            load_matrices<false>(b, k + n * PITCH + d * 2);
#pragma unroll
            for (int m = 0; m < M; m++) {
                multiply(s[m] + n / 2, a[m], b[0], b[1]);
                multiply(s[m] + n / 2 + 4, a[m], b[2], b[3]);
            }
        }
    }
}

/// o += weights v, N rows of V from `v` on.
template <int M, int N> DEVICE void add_values(float (&o)[M][HEAD_V / 2], const float (&weights)[M][N / 2], u32 v) {
    const int lane = threadIdx.x % 32;
    v += lane % 16 * PITCH_V + lane / 16 * 16;
    u32 a[M][N / 4];
#pragma unroll
    for (int m = 0; m < M; m++) pack_weights(a[m], weights[m]);
#pragma unroll
    for (int n = 0; n < N; n += 16) {
#pragma unroll
        for (int d = 0; d < HEAD_V; d += 16) {
            u32 b[4];
            load_matrices<true>(b, v + n * PITCH_V + d * 2);
#pragma unroll
            for (int m = 0; m < M; m++) {
                multiply(o[m] + d / 2, a[m] + n / 4, b[0], b[1]);
                multiply(o[m] + d / 2 + 4, a[m] + n / 4, b[2], b[3]);
            }
        }
    }
}

DEVICE void store_pair(element *to, float low, float high, int left) {
    const u32 both = pack(low, high);
    if (left >= 2 && (u64)to % 4 == 0) {
        *(u32 *)to = both;
    } else {
        if (left >= 1) to[0] = (u16)both;
        if (left >= 2) to[1] = (u16)(both >> 16);
    }
}

#else

/// A number as a sum of two that tf32 holds (22 bits of it), each rounded to nearest: cut ones would leave four times the error, all to one
/// side. Beyond 2^128 - 2^116 the greater is infinite.
struct Split {
    u32 big, small;
    DEVICE Split() {}
    DEVICE Split(float x) {
#if TF32
        asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(big) : "f"(x));
#else
        big = (__float_as_uint(x) + 0x1000u) & 0xffffe000u;
        small = __float_as_uint(x - __uint_as_float(big)) + 0x1000u;  // the multiplier cuts 13 bits: half of their unit
#endif
    }
};

DEVICE void multiply_tf32(float *d, u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
DEVICE void multiply(float *d, const Split (&a)[4], Split b0, Split b1) {
#if !TF32
    multiply_tf32(d, a[0].small, a[1].small, a[2].small, a[3].small, b0.big, b1.big);
    multiply_tf32(d, a[0].big, a[1].big, a[2].big, a[3].big, b0.small, b1.small);
#endif
    multiply_tf32(d, a[0].big, a[1].big, a[2].big, a[3].big, b0.big, b1.big);
}

DEVICE float load_float(u32 from) {
    float x;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(from) : "memory");
    return x;
}
DEVICE void load_floats(float &x, float &y, u32 from) {
    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(x), "=f"(y) : "r"(from) : "memory");
}

// A sum of eight products takes them in any order, so that a thread's two factors may be neighbours: factor t of the hardware is
// number 2 t here, and t + 4 is 2 t + 1.
template <int M, int N> DEVICE void multiply_keys(float (&s)[M][N / 2], u32 q, u32 k) {
    const int lane = threadIdx.x % 32;
    q += lane / 4 * PITCH + lane % 4 * 8;
    k += lane / 4 * PITCH + lane % 4 * 8;
    clear(s);
#pragma unroll 4
    for (int d = 0; d < HEAD; d += 8) {
        float x, y, z, w;
        Split a[M][4];
#pragma unroll
        for (int m = 0; m < M; m++) {
            load_floats(x, y, q + m * 16 * PITCH + d * 4);
            load_floats(z, w, q + (m * 16 + 8) * PITCH + d * 4);
            a[m][0] = Split(x), a[m][1] = Split(z), a[m][2] = Split(y), a[m][3] = Split(w);
        }
#pragma unroll
        for (int n = 0; n < N; n += 8) {
            load_floats(x, y, k + n * PITCH + d * 4);
            const Split b0(x), b1(y);
#pragma unroll
            for (int m = 0; m < M; m++) multiply(s[m] + n / 2, a[m], b0, b1);
        }
    }
}

template <int M, int N> DEVICE void add_values(float (&o)[M][HEAD_V / 2], const float (&weights)[M][N / 2], u32 v) {
    const int lane = threadIdx.x % 32;
    v += lane % 4 * 2 * PITCH_V + lane / 4 * 4;
#pragma unroll
    for (int n = 0; n < N; n += 8) {
        Split a[M][4];
#pragma unroll
        for (int m = 0; m < M; m++) {
            const float *s = weights[m] + n / 2;
            a[m][0] = Split(s[0]), a[m][1] = Split(s[2]), a[m][2] = Split(s[1]), a[m][3] = Split(s[3]);
        }
#pragma unroll
        for (int d = 0; d < HEAD_V; d += 8) {
            const Split b0(load_float(v + n * PITCH_V + d * 4)), b1(load_float(v + (n + 1) * PITCH_V + d * 4));
#pragma unroll
            for (int m = 0; m < M; m++) multiply(o[m] + d / 2, a[m], b0, b1);
        }
    }
}

DEVICE void store_pair(element *to, float low, float high, int left) {
    if (left >= 1) to[0] = low;
    if (left >= 2) to[1] = high;
}

#endif
