// ScatterElements and ScatterND over a result that holds the data already. Block 256. REDUCTION 0: none, where no two updates go to one
// place, a thread an update; 1 add, 2 mul, 3 max, 4 min: a thread joins all updates that may meet, one after the other, so that results
// are the same in every run. ELEMENT: ONNX's number of the type in memory; 0 where it is only moved. Behind elementwise.cuh and units.cuh.

template <int TYPE>
struct ElementOf;
#define ELEMENT_TYPE(number, name)                                                                                                       \
    template <>                                                                                                                          \
    struct ElementOf<number> {                                                                                                           \
        typedef name type;                                                                                                               \
    };
ELEMENT_TYPE(0, Unit)
ELEMENT_TYPE(1, float)
ELEMENT_TYPE(2, u8)
ELEMENT_TYPE(3, i8)
ELEMENT_TYPE(4, u16)
ELEMENT_TYPE(5, i16)
ELEMENT_TYPE(6, int)
ELEMENT_TYPE(7, i64)
ELEMENT_TYPE(10, half)
ELEMENT_TYPE(11, double)
ELEMENT_TYPE(12, u32)
ELEMENT_TYPE(13, u64)
ELEMENT_TYPE(16, bf16)
typedef ElementOf<ELEMENT>::type Element;

/// What the place holds after an update.
DEVICE Element joined(Element old, Element update) {
#if REDUCTION == 1
    return Stored<Element>::of(widen(old) + widen(update));
#elif REDUCTION == 2
    return Stored<Element>::of(widen(old) * widen(update));
#elif REDUCTION == 3
    return Stored<Element>::of(e_max(widen(old), widen(update)));
#elif REDUCTION == 4
    return Stored<Element>::of(e_min(widen(old), widen(update)));
#else
    return update;
#endif
}

#ifdef RANK
struct ScatterElementsArguments {
    Element *to;
    Indices indices;
    const Element *updates;
    /// Of the lines of updates along the axis; updates of a line, and from one to the next.
    u32 lines, length, step;
    /// Of the updates, the axis' 1 where REDUCTION joins; strides of the updates and of the result.
    u32 axis;
    Division sizes[RANK];
    u32 updateStrides[RANK], strides[RANK];
};

extern "C" __global__ void __launch_bounds__(256) scatter_elements(const __grid_constant__ ScatterElementsArguments a) {
    wait_for_others();
    u32 rest = blockIdx.x * 256 + threadIdx.x;
    if (rest >= a.lines) return;
    u32 from = 0, to = 0;
#pragma unroll
    for (int axis = RANK - 1; axis >= 0; axis--) {
        u32 k = axis > 0 ? a.sizes[axis].split(rest) : rest;
        from += k * a.updateStrides[axis];
        if (axis != a.axis) to += k * a.strides[axis];
    }
    for (u32 i = 0; i < a.length; i++, from += a.step) {
        Element *place = a.to + to + a.indices.at(from) * a.strides[a.axis];
        *place = joined(*place, a.updates[from]);
    }
}
#endif

#ifdef DEPTH
struct ScatterNDArguments {
    Element *to;
    const void *indices;
    const Element *updates;
    u32 isWide, count;
    /// Elements of a row of updates; rows that one thread takes.
    Division inner;
    u32 rows;
    u32 extents[DEPTH], strides[DEPTH];
};

extern "C" __global__ void __launch_bounds__(256) scatter_nd(const __grid_constant__ ScatterNDArguments a) {
    wait_for_others();
    u32 row = blockIdx.x * 256 + threadIdx.x;
    if (row >= a.count) return;
    const u32 i = a.inner.split(row);
    for (u32 end = row + a.rows; row < end; row++) {
        u32 to = i;
#pragma unroll
        for (int axis = 0; axis < DEPTH; axis++) {
            Indices indices = {a.indices, a.isWide, a.extents[axis]};
            to += indices.at(row * DEPTH + axis) * a.strides[axis];
        }
        a.to[to] = joined(a.to[to], a.updates[row * a.inner.divisor + i]);
    }
}
#endif
