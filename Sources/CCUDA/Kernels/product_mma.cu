// Products on tensor cores by mma.sync (sm_80 and newer), sums in float32. Macros: ELEMENT (2 half, 3 bf16, 1 float, multiplied as tf32),
// A_TURNED (A is [k][m]), B_TURNED (B is [n][k]), ROWS and COLUMNS of a block's tile, WARPS_M by WARPS_N warps, DEPTH, STAGES,
// COPY_A and COPY_B (bytes that every row begins at a multiple of: 16, 8, 4 or 2), SPLITS (1: sums are finished here, else grid z counts
// batch * SPLITS + part and the sums of each part go to `parts`), and those of Finish.
// Launch: ceil(n / COLUMNS) * ceil(m / ROWS) by 1 by batches * SPLITS blocks; dynamic shared memory STAGES * (bytes of both tiles).

typedef ByNumber<ELEMENT>::type element;
constexpr int SIZE = sizeof(element), THREADS = WARPS_M * WARPS_N * 32;
constexpr int M_TILES = ROWS / WARPS_M / 16, N_TILES = COLUMNS / WARPS_N / 8, STEP = ELEMENT == 1 ? 8 : 16;
// Lines of a tile in shared memory: the surplus spreads what a warp reads at once over the banks.
constexpr int A_LINES = A_TURNED ? DEPTH : ROWS, A_WIDTH = A_TURNED ? ROWS : DEPTH;
constexpr int B_LINES = B_TURNED ? COLUMNS : DEPTH, B_WIDTH = B_TURNED ? DEPTH : COLUMNS;
constexpr int A_PITCH = A_WIDTH * SIZE + (ELEMENT == 1 && A_TURNED ? 32 : 16), B_PITCH = B_WIDTH * SIZE + (ELEMENT == 1 && !B_TURNED ? 32 : 16);
constexpr int A_BYTES = A_LINES * A_PITCH, STAGE_BYTES = A_BYTES + B_LINES * B_PITCH;

DEVICE u32 load_tf32(u32 from) {
    u32 x;
    asm volatile("{.reg .f32 f; ld.shared.f32 f, [%1]; cvt.rna.tf32.f32 %0, f;}" : "=r"(x) : "r"(from) : "memory");
    return x;
}
DEVICE void multiply(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
#if ELEMENT == 2
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#elif ELEMENT == 3
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#else
#define MMA "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32"
#endif
    asm volatile(MMA " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// One step of the depth, from `depth` on: the warp's fragments of both tiles, and their products.
DEVICE void multiply_step(float (&sums)[M_TILES][N_TILES][4], u32 a_tile, u32 b_tile, int depth, int row, int column) {
    const int lane = threadIdx.x % 32;
    u32 a[M_TILES][4], b[N_TILES][2];
#if ELEMENT == 1
    const int g = lane / 4, t = lane % 4;
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
#pragma unroll
        for (int j = 0; j < 4; j++) {
            const int line = row + i * 16 + g + j % 2 * 8, at = depth + t + j / 2 * 4;
            a[i][j] = load_tf32(a_tile + (A_TURNED ? at * A_PITCH + line * 4 : line * A_PITCH + at * 4));
        }
    }
#pragma unroll
    for (int i = 0; i < N_TILES; i++) {
#pragma unroll
        for (int j = 0; j < 2; j++) {
            const int line = column + i * 8 + g, at = depth + t + j * 4;
            b[i][j] = load_tf32(b_tile + (B_TURNED ? line * B_PITCH + at * 4 : at * B_PITCH + line * 4));
        }
    }
#else
    // Matrices in the order (rows, depth): (0, 0), (8, 0), (0, 8), (8, 8).
    const int high = lane / 8 % 2 * 8, deep = lane / 16 * 8, line = lane % 8;
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
        const u32 at = A_TURNED ? (depth + deep + line) * A_PITCH + (row + i * 16 + high) * 2
                                : (row + i * 16 + high + line) * A_PITCH + (depth + deep) * 2;
        load_matrices<A_TURNED>(a[i], a_tile + at);
    }
#pragma unroll
    for (int i = 0; i < N_TILES; i += 2) {
        u32 both[4];  // (columns, depth): (0, 0), (0, 8), (8, 0), (8, 8)
        const u32 at = B_TURNED ? (column + i * 8 + deep + line) * B_PITCH + (depth + high) * 2
                                : (depth + high + line) * B_PITCH + (column + i * 8 + deep) * 2;
        load_matrices<!B_TURNED>(both, b_tile + at);
        b[i][0] = both[0], b[i][1] = both[1], b[i + 1][0] = both[2], b[i + 1][1] = both[3];
    }
#endif
#pragma unroll
    for (int i = 0; i < M_TILES; i++)
#pragma unroll
        for (int j = 0; j < N_TILES; j++) multiply(sums[i][j], a[i], b[j][0], b[j][1]);
}

template <typename T> DEVICE void store_two(T *to, T x, T y, bool both, bool even) {
    if (both && even) {
        *(Pack<T, 2> *)to = Pack<T, 2>{{x, y}};
    } else {
        to[0] = x;
        if (both) to[1] = y;
    }
}

extern "C" __global__ void __launch_bounds__(THREADS)
product_mma(const element *a, const element *b, result *c, float *parts, int m, int n, int k, i64 lda, i64 ldb, i64 a_batch, i64 b_batch,
            i64 c_batch, const Finish f) {
    wait_for_others();
    extern __shared__ __align__(128) char shared[];
    const u32 base = (u32)__cvta_generic_to_shared(shared);
    const int batch = blockIdx.z / SPLITS, part = blockIdx.z % SPLITS;
    const int2 tile = tile_of(blockIdx.x, (m + ROWS - 1) / ROWS, (n + COLUMNS - 1) / COLUMNS);
    const int row = tile.x * ROWS, column = tile.y * COLUMNS;
    const int all = (k + DEPTH - 1) / DEPTH, begin = (i64)all * part / SPLITS, steps = (i64)all * (part + 1) / SPLITS - begin;
    a += batch * a_batch + (A_TURNED ? row : row * lda);
    b += batch * b_batch + (B_TURNED ? column * ldb : column);
    auto fetch = [&](int step) {
        const int at = (begin + step) * DEPTH;
        const u32 to = base + step % STAGES * STAGE_BYTES;
        copy_tile<A_LINES, A_WIDTH, A_PITCH, COPY_A, THREADS>(to, a + (A_TURNED ? at * lda : at), lda, A_TURNED ? k - at : m - row,
                                                      A_TURNED ? m - row : k - at);
        copy_tile<B_LINES, B_WIDTH, B_PITCH, COPY_B, THREADS>(to + A_BYTES, b + (B_TURNED ? at : at * ldb), ldb, B_TURNED ? n - column : k - at,
                                                      B_TURNED ? k - at : n - column);
    };
    float sums[M_TILES][N_TILES][4] = {};
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int warp_row = warp / WARPS_N * (ROWS / WARPS_M), warp_column = warp % WARPS_N * (COLUMNS / WARPS_N);
#pragma unroll
    for (int step = 0; step < STAGES - 1; step++) {
        if (step < steps) fetch(step);
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    for (int step = 0; step < steps; step++) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
        __syncthreads();
        if (step + STAGES - 1 < steps) fetch(step + STAGES - 1);
        asm volatile("cp.async.commit_group;" ::: "memory");
        const u32 stage = base + step % STAGES * STAGE_BYTES;
#pragma unroll
        for (int depth = 0; depth < DEPTH; depth += STEP) multiply_step(sums, stage, stage + A_BYTES, depth, warp_row, warp_column);
    }
    const bool even = n % 2 == 0;
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
#pragma unroll
        for (int half_row = 0; half_row < 2; half_row++) {
            const int to = row + warp_row + i * 16 + half_row * 8 + lane / 4;
            if (to >= m) continue;
#pragma unroll
            for (int j = 0; j < N_TILES; j++) {
                const int at = column + warp_column + j * 8 + lane % 4 * 2;
                if (at >= n) continue;
                const float x = sums[i][j][half_row * 2], y = sums[i][j][half_row * 2 + 1];
                if (SPLITS > 1) {
                    store_two(parts + ((i64)blockIdx.z * m + to) * n + at, x, y, at + 1 < n, even);
                } else {
                    store_two(c + batch * c_batch + (i64)to * n + at, narrow<result>(finish(f, x, to, at)),
                              narrow<result>(finish(f, y, to, min(at + 1, n - 1))), at + 1 < n, even);
                }
            }
        }
    }
}

/// c = finish(the sum of the parts). Launch: as product_finish, by batches.
extern "C" __global__ void __launch_bounds__(256) product_join(const float *parts, result *c, int m, int n, i64 c_batch, const Finish f) {
    wait_for_others();
    const int column = (blockIdx.x * 64 + threadIdx.x) * 4;
    if (column >= n) return;
    parts += (i64)blockIdx.z * SPLITS * m * n;
    c += blockIdx.z * c_batch;
    for (int row = blockIdx.y * 4 + threadIdx.y; row < m; row += gridDim.y * 4) {
        for (int i = 0; i < 4 && column + i < n; i++) {
            float sum = 0;
#pragma unroll
            for (int part = 0; part < SPLITS; part++) sum += parts[((i64)part * m + row) * n + column + i];
            c[(i64)row * n + column + i] = narrow<result>(finish(f, sum, row, column + i));
        }
    }
}
