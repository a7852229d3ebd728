// Gather, GatherElements, GatherND. Indices beyond their axis take the nearest element that there is. Block 256; `gather` takes UNITS
// units a thread. Behind units.cuh.

struct GatherArguments {
    const Unit *from;
    Unit *to;
    Indices indices;
    u32 count;
    /// Units behind the axis; indices.
    Division inner, picks;
};

/// to[o, k, i] = from[o, indices[k], i].
extern "C" __global__ void __launch_bounds__(256) gather(const __grid_constant__ GatherArguments a) {
    wait_for_others();
    const u32 first = blockIdx.x * (256 * UNITS) + threadIdx.x;
#pragma unroll
    for (int u = 0; u < UNITS; u++) {
        u32 outer = first + u * 256;
        if (outer >= a.count) return;
        u32 i = a.inner.split(outer), k = a.picks.split(outer);
        a.to[first + u * 256] = a.from[(outer * a.indices.extent + a.indices.at(k)) * a.inner.divisor + i];
    }
}

#ifdef RANK
struct GatherElementsArguments {
    const Unit *from;
    Unit *to;
    Indices indices;
    u32 count, axis;
    /// Of the result; strides of the source.
    Division sizes[RANK];
    u32 strides[RANK];
};

extern "C" __global__ void __launch_bounds__(256) gather_elements(const __grid_constant__ GatherElementsArguments a) {
    wait_for_others();
    const u32 place = blockIdx.x * 256 + threadIdx.x;
    if (place >= a.count) return;
    u32 rest = place, source = 0;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        u32 k = axis > 0 ? a.sizes[axis].split(rest) : rest;
        source += (axis == a.axis ? a.indices.at(place) : k) * a.strides[axis];
    }
    a.to[place] = a.from[source];
}
#endif

#ifdef DEPTH
struct GatherNDArguments {
    const Unit *from;
    Unit *to;
    const void *indices;
    u32 isWide, count;
    /// Units of a row; rows of indices in a batch item.
    Division inner, rows;
    /// Units of a batch item of the source.
    u32 batchStride;
    u32 extents[DEPTH], strides[DEPTH];
};

extern "C" __global__ void __launch_bounds__(256) gather_nd(const __grid_constant__ GatherNDArguments a) {
    wait_for_others();
    const u32 place = blockIdx.x * 256 + threadIdx.x;
    if (place >= a.count) return;
    u32 row = place;
    u32 source = a.inner.split(row);
    u32 batch = a.rows.quotient(row);
    source += batch * a.batchStride;
#pragma unroll
    for (int axis = 0; axis < DEPTH; axis++) {
        Indices indices = {a.indices, a.isWide, a.extents[axis]};
        source += indices.at(row * DEPTH + axis) * a.strides[axis];
    }
    a.to[place] = a.from[source];
}
#endif
