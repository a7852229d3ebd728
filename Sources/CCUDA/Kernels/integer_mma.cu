// Products of 8-bit matrices A [m][k] and B [n][pitch], exact int32 sums on tensor cores by mma.sync (sm_80 and newer). Macros: ROWS and
// COLUMNS of a block's tile, WARPS_M by WARPS_N warps, DEPTH (a multiple of 32), STAGES, COPY_A and COPY_B (bytes that every row begins at a
// multiple of: 16 to 1), and those of IntegerFinish. B's rows are filled up with zeros to a multiple of 16.
// Launch: ceil(n / COLUMNS) * ceil(m / ROWS) by 1 by batches blocks; dynamic shared memory STAGES * (ROWS + COLUMNS) * (DEPTH + 16).

constexpr int THREADS = WARPS_M * WARPS_N * 32, M_TILES = ROWS / WARPS_M / 16, N_TILES = COLUMNS / WARPS_N / 8, PITCH = DEPTH + 16;
constexpr int A_BYTES = ROWS * PITCH, STAGE_BYTES = A_BYTES + COLUMNS * PITCH;

#define MMA_OF(a, b) "mma.sync.aligned.m16n8k32.row.col.s32." a "." b ".s32"
#if A_SIGNED && B_SIGNED
#define MMA MMA_OF("s8", "s8")
#elif A_SIGNED
#define MMA MMA_OF("s8", "u8")
#elif B_SIGNED
#define MMA MMA_OF("u8", "s8")
#else
#define MMA MMA_OF("u8", "u8")
#endif
DEVICE void multiply(int (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
    asm volatile(MMA " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

extern "C" __global__ void __launch_bounds__(THREADS)
integer_mma(const u8 *a, const u8 *b, result *c, int m, int n, int k, int pitch, i64 a_batch, i64 b_batch, i64 c_batch, i64 sums_batch,
            const IntegerFinish f) {
    wait_for_others();
    extern __shared__ __align__(128) char shared[];
    const u32 base = (u32)__cvta_generic_to_shared(shared);
    const int2 tile = tile_of(blockIdx.x, (m + ROWS - 1) / ROWS, (n + COLUMNS - 1) / COLUMNS);
    const int row = tile.x * ROWS, column = tile.y * COLUMNS, steps = (k + DEPTH - 1) / DEPTH;
    a += blockIdx.z * a_batch + (i64)row * k;
    b += blockIdx.z * b_batch + (i64)column * pitch;
    const int *column_sums = f.column_sums + blockIdx.z * sums_batch, *row_sums = f.row_sums ? f.row_sums + blockIdx.z * (a_batch / k) : nullptr;
    __shared__ IntegerColumn columns[COLUMNS];
    auto fetch = [&](int step) {
        const int at = step * DEPTH;
        const u32 to = base + step % STAGES * STAGE_BYTES;
        copy_tile<ROWS, DEPTH, PITCH, COPY_A, THREADS>(to, a + at, k, m - row, k - at);
        copy_tile<COLUMNS, DEPTH, PITCH, COPY_B, THREADS>(to + A_BYTES, b + at, pitch, n - column, pitch - at);
    };
    int sums[M_TILES][N_TILES][4] = {};
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const int warp_row = warp / WARPS_N * (ROWS / WARPS_M), warp_column = warp % WARPS_N * (COLUMNS / WARPS_N);
    const int high = lane / 8 % 2 * 8, deep = lane / 16, line = lane % 8;
#pragma unroll
    for (int step = 0; step < STAGES - 1; step++) {
        if (step < steps) fetch(step);
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    if (threadIdx.x < COLUMNS) columns[threadIdx.x] = column_of(f, min(column + (int)threadIdx.x, n - 1), column_sums, k);
    for (int step = 0; step < steps; step++) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
        __syncthreads();
        if (step + STAGES - 1 < steps) fetch(step + STAGES - 1);
        asm volatile("cp.async.commit_group;" ::: "memory");
        const u32 a_tile = base + step % STAGES * STAGE_BYTES, b_tile = a_tile + A_BYTES;
#pragma unroll
        for (int depth = 0; depth < DEPTH; depth += 32) {
            u32 x[M_TILES][4], y[N_TILES][2];
#pragma unroll
            for (int i = 0; i < M_TILES; i++)
                load_matrices<0>(x[i], a_tile + (warp_row + i * 16 + high + line) * PITCH + depth + deep * 16);
#pragma unroll
            for (int i = 0; i < N_TILES; i += 2) {
                u32 both[4];
                load_matrices<0>(both, b_tile + (warp_column + i * 8 + deep * 8 + line) * PITCH + depth + high * 2);
                y[i][0] = both[0], y[i][1] = both[1], y[i + 1][0] = both[2], y[i + 1][1] = both[3];
            }
#pragma unroll
            for (int i = 0; i < M_TILES; i++)
#pragma unroll
                for (int j = 0; j < N_TILES; j++) multiply(sums[i][j], x[i], y[j][0], y[j][1]);
        }
    }
    const IntegerScalars s = scalars_of(f);
    const i64 first = blockIdx.z * c_batch;
    const z_element *z = (const z_element *)f.z;
    const bool is_even = n % 2 == 0;
#pragma unroll
    for (int i = 0; i < M_TILES; i++) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int to = row + warp_row + i * 16 + h * 8 + lane / 4;
            if (to >= m) continue;
            const int row_sum = row_sums ? row_sums[to] : 0;
#pragma unroll
            for (int j = 0; j < N_TILES; j++) {
                const int inside = warp_column + j * 8 + lane % 4 * 2, at = column + inside;
                if (at >= n) continue;
                const int next = min(at + 1, n - 1);
                const i64 place = first + (i64)to * n + at;
                const float z0 = Z ? z_of(f, s, z[place]) : 0, z1 = Z ? z_of(f, s, z[place + next - at]) : 0;
                Pack<result, 2> y;
                y.at[0] = finish(f, s, columns[inside], sums[i][j][h * 2], row_sum, z0);
                y.at[1] = finish(f, s, columns[inside + 1], sums[i][j][h * 2 + 1], row_sum, z1);
                if (is_even) {
                    *(Pack<result, 2> *)(c + place) = y;
                } else {
                    c[place] = y.at[0];
                    if (next > at) c[place + 1] = y.at[1];
                }
            }
        }
    }
}
