// Pad in all modes (MODE 0 constant, 1 edge, 2 reflect, 3 wrap) of RANK axes; block 256, a thread takes UNITS times VECTOR units
// side by side, which the last extent of the result is a multiple of. Behind units.cuh.

struct Arguments {
    const Unit *from;
    Unit *to;
    /// Of the constant's bytes, repeated.
    u32 fill[4];
    u32 count;
    /// Of the result.
    Division sizes[RANK];
    /// Of the source: extents, what is put before, units from one to the next.
    int extents[RANK], before[RANK], strides[RANK];
};

/// The place in the source, negative where there is none.
DEVICE int source(int at, int extent) {
    if (at >= 0 && at < extent) return at;
    if (MODE == 0) return -1;
    if (MODE == 1) return at < 0 ? 0 : extent - 1;
    if (MODE == 2) {
        if (extent == 1) return 0;
        u32 period = 2 * (extent - 1), steps = at < 0 ? -at : at;
        // Mirrored at 0 and at the last element.
        int folded = steps < period ? steps : steps % period;
        return folded < extent ? folded : (int)period - folded;
    }
    int folded = at < 0 ? (int)((u32)extent - 1 - (u32)(-1 - at) % (u32)extent) : (int)((u32)at % (u32)extent);
    return folded;
}

extern "C" __global__ void __launch_bounds__(256) pad(const __grid_constant__ Arguments a) {
    wait_for_others();
    const u32 first = blockIdx.x * (256 * UNITS) + threadIdx.x;
    Pack<Unit, VECTOR> packs[UNITS];
#pragma unroll
    for (int u = 0; u < UNITS; u++) {
        u32 rest = (first + u * 256) * VECTOR;
        if (rest >= a.count) continue;
        const int inner = (int)(RANK > 1 ? a.sizes[RANK - 1].split(rest) : rest) - a.before[RANK - 1];
        int place = 0;
        bool isInside = true;
#pragma unroll
        for (int axis = RANK - 2; axis >= 0; axis--) {
            u32 k = axis > 0 ? a.sizes[axis].split(rest) : rest;
            int at = source((int)k - a.before[axis], a.extents[axis]);
            isInside = isInside && at >= 0;
            place += at * a.strides[axis];
        }
#pragma unroll
        for (int j = 0; j < VECTOR; j++) {
            int at = source(inner + j, a.extents[RANK - 1]);
            packs[u].at[j] = isInside && at >= 0 ? a.from[place + at] : *(const Unit *)a.fill;
        }
    }
#pragma unroll
    for (int u = 0; u < UNITS; u++) {
        const u32 to = (first + u * 256) * VECTOR;
        if (to < a.count) *(Pack<Unit, VECTOR> *)(a.to + to) = packs[u];
    }
}
