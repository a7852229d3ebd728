// Concat and Split: up to PARTS copies of rows at once. Block 256, a thread takes UNITS units; the blocks of a part follow those of
// the one before.
// Behind units.cuh.

struct Part {
    const Unit *from;
    Unit *to;
    /// Units of a row.
    Division row;
    /// Units from row to row.
    u32 fromPitch, toPitch;
    u32 count;
    /// Its first block.
    u32 block;
    u32 unused;
};

struct Arguments {
    Part parts[PARTS];
};

extern "C" __global__ void __launch_bounds__(256) copy_parts(const __grid_constant__ Arguments a) {
    wait_for_others();
    int part = 0;
#pragma unroll
    for (int i = 1; i < PARTS; i++)
        if (blockIdx.x >= a.parts[i].block) part = i;
    const Part &p = a.parts[part];
    const u32 first = (blockIdx.x - p.block) * (256 * UNITS) + threadIdx.x, count = p.count;
    Unit units[UNITS];
    u32 places[UNITS];
#pragma unroll
    for (int u = 0; u < UNITS; u++) {
        u32 row = first + u * 256;
        if (row < count) {
            u32 column = p.row.split(row);
            units[u] = p.from[row * p.fromPitch + column];
            places[u] = row * p.toPitch + column;
        }
    }
#pragma unroll
    for (int u = 0; u < UNITS; u++)
        if (first + u * 256 < count) p.to[places[u]] = units[u];
}
