// A tensor whose elements lie at strides in another. RANK axes; block 256, a thread takes UNITS units. Behind units.cuh.

struct Arguments {
    const Unit *from;
    Unit *to;
    u32 count;
    /// Of the result, the slowest first; strides in units, any sign.
    Division sizes[RANK];
    int strides[RANK];
};

extern "C" __global__ void __launch_bounds__(256) strided_copy(const __grid_constant__ Arguments a) {
    wait_for_others();
    const u32 first = blockIdx.x * (256 * UNITS) + threadIdx.x;
    Unit units[UNITS];
#pragma unroll
    for (int u = 0; u < UNITS; u++) {
        u32 rest = first + u * 256;
        if (rest < a.count) {
            int place = 0;
#pragma unroll
            for (int axis = RANK - 1; axis > 0; axis--) place += (int)a.sizes[axis].split(rest) * a.strides[axis];
            units[u] = a.from[(i64)place + (i64)(int)rest * a.strides[0]];
        }
    }
#pragma unroll
    for (int u = 0; u < UNITS; u++)
        if (first + u * 256 < a.count) a.to[first + u * 256] = units[u];
}
