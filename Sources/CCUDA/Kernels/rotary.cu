// RotaryEmbedding, and TensorScatter. Behind elements.cuh, rows.cuh. X, Y, ANGLES: codes of the types of heads, results, sines and cosines;
// ANGLES 0: TensorScatter. VEC: elements, or pairs, at once.

#if ANGLES
typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;
typedef Coded<ANGLES>::type Angle;

struct Rotary {
    const Input *x;
    const Angle *cosine, *sine;
    /// Of each step of each item, or NULL; with `single`, of the first step of all.
    const i64 *positions;
    Output *y;
    /// Threads that have something to do: VEC elements of the rotated half, or of the rest, each.
    u32 count;
    /// Of a head: all elements, and half of those that turn. A step has `half` angles; `table` steps of angles where positions are given.
    int size, half, table;
    /// Steps of one item of the batch. SHARED: all items have the same angles.
    int length, shared, single;
    /// Threads a head, and the axes before: steps and heads in their order in memory.
    Divisor units, inner, outer;
    /// Whether the heads are the outer of the two.
    int heads_outside;
};

/// Rotates pairs (i, i + half), or with INTERLEAVED (2 i, 2 i + 1). Elements behind 2 * half are copied. A position outside the table turns by
/// the nearest in it.
extern "C" __global__ void rotary(const Rotary a) {
    wait_for_others();
    const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= a.count) return;
    u32 unit, low, high;
    const u32 head = a.units.split(index, unit);
    const u32 item = a.outer.split(a.inner.split(head, low), high);
    const u32 step = a.heads_outside ? low : high;
    const Input *x = a.x + (i64)head * a.size;
    Output *y = a.y + (i64)head * a.size;
    const int at = unit * VEC;
    if (at >= a.half) {
        // VEC divides what is copied, too.
        float v[VEC];
        load<VEC>(x + a.half + at, v);
        store<VEC>(y + a.half + at, v);
        return;
    }
    i64 row = a.shared ? step : (i64)item * a.length + step;
    if (a.positions) {
        row = a.single ? a.positions[0] + step : a.positions[row];
        if (row < 0) row += a.table;
        row = min(max(row, (i64)0), (i64)a.table - 1);
    }
    float c[VEC], s[VEC];
    load<VEC>(a.cosine + row * a.half + at, c);
    load<VEC>(a.sine + row * a.half + at, s);
#if INTERLEAVED
    float v[2 * VEC];
    load<2 * VEC>(x + 2 * at, v);
#pragma unroll
    for (int i = 0; i < VEC; i++) {
        const float real = v[2 * i], other = v[2 * i + 1];
        v[2 * i] = c[i] * real - s[i] * other;
        v[2 * i + 1] = s[i] * real + c[i] * other;
    }
    store<2 * VEC>(y + 2 * at, v);
#else
    float u[VEC], v[VEC];
    load<VEC>(x + at, u);
    load<VEC>(x + a.half + at, v);
#pragma unroll
    for (int i = 0; i < VEC; i++) {
        const float real = u[i], other = v[i];
        u[i] = c[i] * real - s[i] * other;
        v[i] = s[i] * real + c[i] * other;
    }
    store<VEC>(y + at, u);
    store<VEC>(y + a.half + at, v);
#endif
}
#else
/// Elements of VEC bytes. Row `row` of the update, [rows, length, step], goes behind the place of its item's index in the cache, [rows, room, step].
/// What would lie outside is not written.
extern "C" __global__ void tensor_scatter(
    const u8 *update, const i64 *starts, u8 *cache, i64 count, Divisor step, Divisor length, int rows_an_item, int room, int circular) {
    wait_for_others();
    const i64 index = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (index >= count) return;
    u32 unit, place;
    const u32 row = length.split(step.split((u32)index, unit), place);
    i64 start = starts ? starts[row / rows_an_item] : 0;
    if (start < 0) return;
    start = circular ? (start % room + place) % room : start + place;
    if (start >= room) return;
    ((Pack<u8, VEC> *)cache)[((i64)row * room + start) * step.value + unit] = ((const Pack<u8, VEC> *)update)[index];
}
#endif
