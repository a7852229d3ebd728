// One tile of 128 by 128 of a product by wgmma (sm_90a only): two warpgroups multiply 64 rows each by 128 columns, a further warp has the copy engine
// fill the stages. Two blocks of 288 threads share a multiprocessor, so that one finishes while the other multiplies. Macros: STAGES, ELEMENT.
// The maps are of A and B as [1][batches][rows][k], boxes of 128 rows of 128 bytes, swizzled by 128 bytes.
// In front: bulk_copy.cuh, wgmma.cuh. Dynamic shared memory STAGES * 32768 + 1024.
#pragma once

constexpr int TILE = 128, TILE_BYTES = TILE * 128, STAGE_BYTES = 2 * TILE_BYTES;
/// Elements of a row of a stage.
constexpr int DEPTH = ELEMENT >= 4 ? 128 : 64;

/// A matrix of rows of 128 bytes, swizzled: the first row's address, 1024 bytes from eight rows to the next.
DEVICE u64 rows_at(u32 address) { return (u64)(address >> 4 & 0x3fff) | (u64)1 << 16 | (u64)64 << 32 | (u64)1 << 62; }

/// The stages' barriers: full ones, then empty ones.
DEVICE u32 tile_barriers() {
    __shared__ u64 barriers[2 * STAGES];
    return (u32)__cvta_generic_to_shared(barriers);
}

/// What need not wait for the work in front: a kernel begins with it.
DEVICE void begin_tile() {
    if (threadIdx.x > 0) return;
    const u32 full = tile_barriers(), empty = full + 8 * STAGES;
    for (int i = 0; i < STAGES; i++) {
        barrier_init(full + 8 * i, 1);
        barrier_init(empty + 8 * i, 2);
    }
    barrier_init_fence();
}

/// This thread's part of the sums of the tile at (row, column): sums[j * 4 + h * 2 + s] is of row first_row() + 8 h and column
/// j * 8 + lane % 4 * 2 + s of the tile. False for the warps that copy, which have none. All threads of the block call it, once, behind begin_tile.
/// `meanwhile` is called by the 256 threads that multiply, while the first stage is on its way.
template <typename Meanwhile>
DEVICE bool tile_sums(WgmmaSum (&sums)[TILE / 2], const TensorMap *a, const TensorMap *b, int row, int column, int k, int a_at, int b_at,
                      Meanwhile meanwhile) {
    extern __shared__ char shared[];
    const u32 base = ((u32)__cvta_generic_to_shared(shared) + 1023) & ~1023u;
    const u32 full = tile_barriers(), empty = full + 8 * STAGES;
    const int steps = (k + DEPTH - 1) / DEPTH, group = threadIdx.x / 128;
    __syncthreads();
    if (group == 2) {
        if (threadIdx.x == 256) {
            for (int step = 0; step < steps; step++) {
                const int stage = step % STAGES;
                if (step >= STAGES) barrier_wait(empty + 8 * stage, (step / STAGES - 1) & 1);
                barrier_expect(full + 8 * stage, STAGE_BYTES);
                copy_in(base + stage * STAGE_BYTES, a, full + 8 * stage, step * DEPTH, row, a_at, 0);
                copy_in(base + stage * STAGE_BYTES + TILE_BYTES, b, full + 8 * stage, step * DEPTH, column, b_at, 0);
            }
        }
        return false;
    }
    meanwhile();
    const u32 rows = base + group * 64 * 128;
#if ELEMENT == 5
    // A stage's sums by themselves, and their sum in float32, which keeps what the instruction does not.
#pragma unroll
    for (int i = 0; i < TILE / 2; i++) sums[i] = 0;
    for (int step = 0; step < steps; step++) {
        const int stage = step % STAGES;
        WgmmaSum part[TILE / 2];
        barrier_wait(full + 8 * stage, step / STAGES & 1);
        hold(part);
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; i++)
            Wgmma<TILE>::multiply(part, rows_at(rows + stage * STAGE_BYTES + 32 * i), rows_at(base + stage * STAGE_BYTES + TILE_BYTES + 32 * i),
                                  i > 0);
        wgmma_commit();
        wgmma_wait<0>();
        hold(part);
        if (threadIdx.x % 128 == 0) barrier_arrive(empty + 8 * stage);
#pragma unroll
        for (int i = 0; i < TILE / 2; i++) sums[i] += part[i];
    }
    return true;
#else
    for (int step = 0; step < steps; step++) {
        const int stage = step % STAGES;
        barrier_wait(full + 8 * stage, step / STAGES & 1);
        hold(sums);
        wgmma_fence();
#pragma unroll
        for (int i = 0; i < 4; i++)
            Wgmma<TILE>::multiply(sums, rows_at(rows + stage * STAGE_BYTES + 32 * i), rows_at(base + stage * STAGE_BYTES + TILE_BYTES + 32 * i),
                                  step + i > 0);
        wgmma_commit();
        // The stage before is free when its products are done.
        wgmma_wait<1>();
        if (step > 0 && threadIdx.x % 128 == 0) barrier_arrive(empty + 8 * ((step - 1) % STAGES));
    }
    wgmma_wait<0>();
    hold(sums);
    return true;
#endif
}

/// The tile's row that this thread's first sums are of.
DEVICE int first_row() { return threadIdx.x / 128 * 64 + threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4; }
