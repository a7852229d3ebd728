// Convolution of 8-bit numbers in exact int32 sums, as conv_mma.cu is one of floats. ELEMENT: of the image, 3 uint8, 4 int8; filters are
// int8. Filters whose numbers less their zero point do not fit come as sums of several: kernel[0] sets with dilation 0.
struct Sums {
    int d[WM / 16][WN / 8][4];

    DEVICE void clear() {
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) d[i][j][e] = 0;
    }

    static DEVICE void multiply(int *d, const u32 *a, const u32 *b) {
#if ELEMENT == 3
        asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#else
        asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
#endif
                     : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
    }

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
#pragma unroll
            for (int i = 0; i < WM / 16; i++)
#pragma unroll
                for (int j = 0; j < WN / 8; j++) multiply(d[i][j], fa[i], fb[j / 2] + j % 2 * 2);
        }
    }

    DEVICE void put(int *to, int row, int column) const {
        const int lane = threadIdx.x % 32;
        to += (row + lane / 4) * PITCH + column + lane % 4 * 2;
#pragma unroll
        for (int i = 0; i < WM / 16; i++)
#pragma unroll
            for (int j = 0; j < WN / 8; j++) {
                int *at = to + i * 16 * PITCH + j * 8;
                *(int2 *)at = make_int2(d[i][j][0], d[i][j][1]);
                *(int2 *)(at + 8 * PITCH) = make_int2(d[i][j][2], d[i][j][3]);
            }
    }
};

/// `sums`, `factors`, `bias`: for each filter what is added to its sum, its factor, and what is added to the product of both (may be NULL).
extern "C" __global__ void __launch_bounds__(THREADS)
    conv_integer(const element *x, const element *w, const int *sums_of, const float *factors, const float *bias, const void *added, void *y,
                 const ConvParams p, const IntegerParams e) {
    extern __shared__ __align__(1024) unsigned char memory[];
    const u32 base = shared_address(memory);
    u32 column_tile;
    const int row = p.tile.split(blockIdx.x, column_tile) * BM, column = column_tile * BN, group = blockIdx.y;
    const int steps = (p.k + BK - 1) / BK, thread_k = threadIdx.x % 8 * CHUNK;
    let_others_start();
    wait_for_others();
    Image image;
    Filters filters;
    image.begin(p, x + (i64)group * p.channels, row, thread_k);
    filters.begin(p, w + (i64)group * p.n * p.k, column, thread_k);
    const u32 to_a = base + place(threadIdx.x / 8, threadIdx.x % 8), to_b = to_a + BM * 128;
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) {
            image.copy(p, to_a + s * STAGE);
            filters.copy(p, to_b + s * STAGE);
        }
        image.advance(p);
        filters.advance();
        copies_commit();
    }
    const int warp = threadIdx.x / 32, warp_row = warp % WARPS_M * WM, warp_column = warp / WARPS_M * WN;
    Sums sums;
    sums.clear();
    int read = 0, write = STAGES - 1;
    for (int step = 0; step < steps; step++) {
        copies_wait<STAGES - 2>();
        __syncthreads();
        if (step + STAGES - 1 < steps) {
            image.copy(p, to_a + write * STAGE);
            filters.copy(p, to_b + write * STAGE);
            image.advance(p);
            filters.advance();
        }
        copies_commit();
        sums.add(base + read * STAGE, base + read * STAGE + BM * 128, warp_row, warp_column);
        read = read + 1 == STAGES ? 0 : read + 1;
        write = write + 1 == STAGES ? 0 : write + 1;
    }
    copies_wait<0>();
    __syncthreads();
    int *tile = (int *)memory;
    sums.put(tile, warp_row, warp_column);
    __syncthreads();
    const int channels = p.n * gridDim.y;
    if (!p.planar && p.n % 8 == 0 && p.ldy % 8 == 0 && ((u64)y | (u64)added) % 16 == 0) {
        for (int i = threadIdx.x; i < BM * (BN / 8); i += THREADS) {
            const int r = i / (BN / 8), j = i % (BN / 8) * 8, m = row + r, n = column + j;
            if (m >= p.rows || n >= p.n) continue;
            const int channel = group * p.n + n;
            finish_eight(e, tile + r * PITCH + j, sums_of + channel, factors + channel, bias ? bias + channel : nullptr, added, y,
                         (i64)m * p.ldy + channel);
        }
        return;
    }
    for (int i = threadIdx.x; i < BM * BN; i += THREADS) {
        const int r = p.planar ? i % BM : i / BN, j = p.planar ? i / BM : i % BN;
        const int m = row + r, n = column + j;
        if (m >= p.rows || n >= p.n) continue;
        const int channel = group * p.n + n;
        u32 item;
        const u32 position = p.position(m, item);
        const i64 at = p.planar ? ((i64)item * channels + channel) * p.plane_size() + position : (i64)m * p.ldy + channel;
        finish_integer(e, tile[r * PITCH + j] + sums_of[channel], factors[channel], bias ? bias[channel] : 0.0f, added, y, at);
    }
}
