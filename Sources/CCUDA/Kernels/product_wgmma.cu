// Products of halves by wgmma (sm_90a only), C [m][n] = finish(A [m][k] B [n][k]), for what a library's product does not finish itself. Two
// warpgroups multiply 64 rows each by 128 columns, a further warp has the copy engine fill the stages; two blocks share a multiprocessor, so that one
// finishes while the other multiplies. Macros: ELEMENT (0 half, 1 bf16: as wgmma.cuh), STAGES, and those of Finish.
// The maps are of A and B as [1][batches][rows][k], boxes of 128 rows of 64, swizzled by 128 bytes.
// Launch: ceil(n / 128) * ceil(m / 128) by 1 by batches blocks of 288 threads; dynamic shared memory STAGES * 32768 + 1024.

constexpr int TILE = 128, DEPTH = 64, A_BYTES = TILE * DEPTH * 2, STAGE_BYTES = 2 * A_BYTES;

/// A matrix of rows of 128 bytes, swizzled: the first row's address, 1024 bytes from eight rows to the next.
DEVICE u64 rows_at(u32 address) { return (u64)(address >> 4 & 0x3fff) | (u64)1 << 16 | (u64)64 << 32 | (u64)1 << 62; }

extern "C" __global__ void __launch_bounds__(288, 2)
product_wgmma(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, result *c, int m, int n, int k, int a_batches, int b_batches,
              i64 c_batch,
              const Finish f) {
    extern __shared__ char shared[];
    __shared__ u64 barriers[2 * STAGES];
    const u32 base = ((u32)__cvta_generic_to_shared(shared) + 1023) & ~1023u;
    const u32 full = (u32)__cvta_generic_to_shared(barriers), empty = full + 8 * STAGES;
    const int2 tile = tile_of(blockIdx.x, (m + TILE - 1) / TILE, (n + TILE - 1) / TILE);
    const int row = tile.x * TILE, column = tile.y * TILE, steps = (k + DEPTH - 1) / DEPTH, group = threadIdx.x / 128;
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            barrier_init(full + 8 * i, 1);
            barrier_init(empty + 8 * i, 2);
        }
        barrier_init_fence();
    }
    wait_for_others();
    __syncthreads();
    if (group == 2) {
        if (threadIdx.x == 256) {
            const int batch = blockIdx.z;
            for (int step = 0; step < steps; step++) {
                const int stage = step % STAGES;
                if (step >= STAGES) barrier_wait(empty + 8 * stage, (step / STAGES - 1) & 1);
                barrier_expect(full + 8 * stage, STAGE_BYTES);
                copy_in(base + stage * STAGE_BYTES, &a, full + 8 * stage, step * DEPTH, row, a_batches > 1 ? batch : 0, 0);
                copy_in(base + stage * STAGE_BYTES + A_BYTES, &b, full + 8 * stage, step * DEPTH, column, b_batches > 1 ? batch : 0, 0);
            }
        }
    } else {
        float sums[TILE / 2];
        const u32 rows = base + group * 64 * 128;
        for (int step = 0; step < steps; step++) {
            const int stage = step % STAGES;
            barrier_wait(full + 8 * stage, step / STAGES & 1);
            hold(sums);
            wgmma_fence();
#pragma unroll
            for (int i = 0; i < DEPTH / 16; i++)
                Wgmma<TILE>::multiply(sums, rows_at(rows + stage * STAGE_BYTES + 32 * i), rows_at(base + stage * STAGE_BYTES + A_BYTES + 32 * i),
                                      step + i > 0);
            wgmma_commit();
            // The stage before is free when its products are done.
            wgmma_wait<1>();
            if (step > 0 && threadIdx.x % 128 == 0) barrier_arrive(empty + 8 * ((step - 1) % STAGES));
        }
        wgmma_wait<0>();
        hold(sums);
        const int lane = threadIdx.x % 32, first = row + group * 64 + threadIdx.x % 128 / 32 * 16 + lane / 4;
        c += blockIdx.z * c_batch;
#pragma unroll
        for (int j = 0; j < TILE / 8; j++) {
            const int at = column + j * 8 + lane % 4 * 2;
            if (at >= n) continue;
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const int to = first + 8 * h;
                if (to >= m) continue;
                Pack<result, 2> y;
                y.at[0] = narrow<result>(finish(f, sums[j * 4 + h * 2], to, at));
                y.at[1] = narrow<result>(finish(f, sums[j * 4 + h * 2 + 1], to, min(at + 1, n - 1)));
                result *place = c + (i64)to * n + at;
                if (n % 2 == 0) {
                    *(Pack<result, 2> *)place = y;
                } else {
                    place[0] = y.at[0];
                    if (at + 1 < n) place[1] = y.at[1];
                }
            }
        }
    }
}
