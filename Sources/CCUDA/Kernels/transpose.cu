// Exchanges two axes: one that is contiguous in the source (a) and one that is so in the result (b), tile by tile through shared memory.
// FROM_VECTOR and TO_VECTOR: units that a thread loads and stores at once (their bytes at most 16); extents and strides are multiples
// of them. RANK: the other axes. Block 256; a block takes one tile of TILE by TILE. Behind units.cuh.

#define TILE (WIDTH > 4 ? 32 : 64)
// Rows of the tile lie so that columns of it are read from different banks.
#define PITCH (TILE + (WIDTH >= 4 ? 1 : WIDTH == 2 ? 2 : 4))

struct Arguments {
    const Unit *from;
    Unit *to;
    /// Extents; tiles along each.
    u32 a, b;
    Division tilesA, tilesB;
    /// Units from one b to the next in the source, and from one a to the next in the result.
    u32 fromStride, toStride;
    Division sizes[RANK + 1];
    u32 fromStrides[RANK + 1], toStrides[RANK + 1];
};

extern "C" __global__ void __launch_bounds__(256) transpose(const __grid_constant__ Arguments g) {
    wait_for_others();
    __shared__ Unit tile[TILE][PITCH];
    u32 rest = blockIdx.x;
    const u32 a0 = g.tilesA.split(rest) * TILE, b0 = g.tilesB.split(rest) * TILE;
    const Unit *from = g.from;
    Unit *to = g.to;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        u32 k = axis > 0 ? g.sizes[axis].split(rest) : rest;
        from += (u64)k * g.fromStrides[axis];
        to += (u64)k * g.toStrides[axis];
    }
    {
        constexpr int lanes = TILE / FROM_VECTOR, rows = 256 / lanes;
        const u32 a = a0 + threadIdx.x % lanes * FROM_VECTOR;
        Pack<Unit, FROM_VECTOR> packs[TILE / rows];
#pragma unroll
        for (int i = 0; i < TILE / rows; i++) {
            u32 b = b0 + threadIdx.x / lanes + i * rows;
            if (a < g.a && b < g.b) packs[i] = *(const Pack<Unit, FROM_VECTOR> *)(from + (u64)b * g.fromStride + a);
        }
#pragma unroll
        for (int i = 0; i < TILE / rows; i++) {
            Unit *row = &tile[threadIdx.x / lanes + i * rows][threadIdx.x % lanes * FROM_VECTOR];
            if (WIDTH < 4 && FROM_VECTOR * WIDTH >= 4) {
                // Rows begin at multiples of 4 bytes.
#pragma unroll
                for (int j = 0; j < FROM_VECTOR * WIDTH / 4; j++) ((u32 *)row)[j] = ((const u32 *)&packs[i])[j];
            } else {
#pragma unroll
                for (int j = 0; j < FROM_VECTOR; j++) row[j] = packs[i].at[j];
            }
        }
    }
    __syncthreads();
    constexpr int lanes = TILE / TO_VECTOR, rows = 256 / lanes;
    const u32 b = b0 + threadIdx.x % lanes * TO_VECTOR;
#pragma unroll
    for (int i = 0; i < TILE / rows; i++) {
        u32 column = threadIdx.x / lanes + i * rows;
        if (a0 + column >= g.a || b >= g.b) continue;
        Pack<Unit, TO_VECTOR> pack;
#pragma unroll
        for (int j = 0; j < TO_VECTOR; j++) pack.at[j] = tile[threadIdx.x % lanes * TO_VECTOR + j][column];
        *(Pack<Unit, TO_VECTOR> *)(to + (u64)(a0 + column) * g.toStride + b) = pack;
    }
}
