// Sums of products in registers: by mma.sync, or by a warpgroup's wgmma. The macros are conv_mma.cu's.
#pragma once

#ifndef EXACT
#define EXACT 0
#endif

#if ELEMENT == 2
DEVICE u32 rounded(u32 x) {
    u32 y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(__uint_as_float(x)));
    return y;
}
DEVICE u32 upper(u32 x) { return x & 0xffffe000u; }
DEVICE u32 lower(u32 x) { return __float_as_uint(__uint_as_float(x) - __uint_as_float(upper(x))); }
DEVICE void multiply_once(float *d, const u32 *a, const u32 *b) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#else
DEVICE void multiply_once(float *d, const u32 *a, const u32 *b) {
#if ELEMENT == 0
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#endif
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

#if WGMMA
/// A warpgroup's part of a tile's sums: slabs of 64 rows, all columns.
struct Sums {
    static constexpr int GROUPS = WARPS_M / 4, SLABS = BM / 64 / GROUPS;
    float d[SLABS][BN / 2];

    DEVICE void clear() {
#pragma unroll
        for (int i = 0; i < SLABS; i++)
#pragma unroll
            for (int j = 0; j < BN / 2; j++) d[i][j] = 0;
    }

    /// Rows of 128 bytes as `place` lays them, from an address that is a multiple of 1024 on.
    static DEVICE u64 matrix(u32 at) { return (u64)(at >> 4 & 0x3fff) | 1ull << 16 | 64ull << 32 | 1ull << 62; }

    /// Begins a step; `wait` ends it.
    DEVICE void add(u32 a, u32 b, int, int) {
#pragma unroll
        for (int i = 0; i < SLABS; i++) hold(d[i]);
        wgmma_fence();
        const u64 rows = matrix(a + threadIdx.x / 128 * 64 * 128), columns = matrix(b);
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
            for (int i = 0; i < SLABS; i++) Wgmma<BN>::multiply(d[i], rows + k * 2 + i * GROUPS * 512, columns + k * 2, 1);
        wgmma_commit();
    }
    DEVICE void wait() {
        wgmma_wait<0>();
#pragma unroll
        for (int i = 0; i < SLABS; i++) hold(d[i]);
    }

    DEVICE void put(float *to, int, int) const {
        const int lane = threadIdx.x % 32;
        to += (threadIdx.x / 32 * 16 + lane / 4) * PITCH + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < SLABS; i++)
#pragma unroll
            for (int j = 0; j < BN / 8; j++) {
                float *at = to + i * GROUPS * 64 * PITCH + j * 8;
                *(float2 *)at = make_float2(d[i][4 * j], d[i][4 * j + 1]);
                *(float2 *)(at + 8 * PITCH) = make_float2(d[i][4 * j + 2], d[i][4 * j + 3]);
            }
    }
};
#else
/// A warp's part of a tile's sums.
struct Sums {
    float d[WM / 16][WN / 8][4];

    DEVICE void clear() {
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) d[i][j][e] = 0;
    }

    /// One step: rows of A at `a`, of B at `b`.
    DEVICE void add(u32 a, u32 b, int row, int column) {
        const int lane = threadIdx.x % 32;
        const int ra = row + lane % 16, rb = column + lane % 8 + lane / 16 * 8;
#pragma unroll
        for (int k = 0; k < 8; k += 2) {
            u32 fa[WM / 16][4], fb[WN / 16][4];
#pragma unroll
            for (int i = 0; i < WM / 16; i++) load_matrices(fa[i], a + place(ra + i * 16, k + lane / 16));
#pragma unroll
            for (int j = 0; j < WN / 16; j++) load_matrices(fb[j], b + place(rb + j * 16, k + lane / 8 % 2));
            multiply(fa, fb);
        }
    }

    DEVICE void multiply(u32 (&fa)[WM / 16][4], u32 (&fb)[WN / 16][4]) {
#if ELEMENT == 2 && EXACT
#pragma unroll
        for (int i = 0; i < WM / 16; i++) {
            u32 low[4], high[4];
#pragma unroll
            for (int e = 0; e < 4; e++) low[e] = lower(fa[i][e]), high[e] = upper(fa[i][e]);
#pragma unroll
            for (int j = 0; j < WN / 8; j++) {
                const u32 *b = fb[j / 2] + j % 2 * 2;
                const u32 low_b[2] = {lower(b[0]), lower(b[1])}, high_b[2] = {upper(b[0]), upper(b[1])};
                multiply_once(d[i][j], low, high_b);
                multiply_once(d[i][j], high, low_b);
                multiply_once(d[i][j], high, high_b);
            }
        }
#else
#if ELEMENT == 2
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int e = 0; e < 4; e++) fa[i][e] = rounded(fa[i][e]);
#pragma unroll
        for (int j = 0; j < WN / 16; j++)
#pragma unroll
            for (int e = 0; e < 4; e++) fb[j][e] = rounded(fb[j][e]);
#endif
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++) multiply_once(d[i][j], fa[i], fb[j / 2] + j % 2 * 2);
#endif
    }

    /// Into the tile's rows of floats.
    DEVICE void put(float *to, int row, int column) const {
        const int lane = threadIdx.x % 32;
        to += (row + lane / 4) * PITCH + column + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++) {
                float *at = to + i * 16 * PITCH + j * 8;
                *(float2 *)at = make_float2(d[i][j][0], d[i][j][1]);
                *(float2 *)(at + 8 * PITCH) = make_float2(d[i][j][2], d[i][j][3]);
            }
    }
    DEVICE void wait() {}
};
#endif
