// Resize by tables of taps along up to three neighbouring axes, [outer, axes.., inner]. Behind elements.cuh, rows.cuh. X, Y: codes of the
// operands' types; NEAREST: each axis has one tap that weighs 1, and elements of any type move (X a type of their size). VEC divides inner.

typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;

struct Resize {
    const Input *x;
    Output *y;
    /// One table behind the other: of each axis, `taps` for each position. An index below 0: outside, where `extrapolation` stands.
    const int *indices;
    const float *weights;
    /// Threads that have something to do: VEC elements each.
    u32 count;
    int in[3], taps[3], table[3];
    Divisor inner, columns, rows, depth;
    float extrapolation;
};

extern "C" __global__ void resize(const Resize a) {
    wait_for_others();
    const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= a.count) return;
    u32 inner, column, row, slice;
    u32 item = a.inner.split(index, inner);
    item = a.columns.split(item, column);
    item = a.rows.split(item, row);
    item = a.depth.split(item, slice);
    const i64 pitch = (i64)a.inner.value * VEC;
    const Input *x = a.x + (i64)item * a.in[0] * a.in[1] * a.in[2] * pitch + inner * VEC;
    const int d = a.table[0] + slice * a.taps[0], h = a.table[1] + row * a.taps[1], w = a.table[2] + column * a.taps[2];
#if NEAREST
    const i64 at = (((i64)a.indices[d] * a.in[1] + a.indices[h]) * a.in[2] + a.indices[w]) * pitch;
    *(Pack<Input, VEC> *)(a.y + (i64)index * VEC) = *(const Pack<Input, VEC> *)(x + at);
#else
    float sum[VEC];
    const bool outside = a.indices[d] < 0 || a.indices[h] < 0 || a.indices[w] < 0;
#pragma unroll
    for (int e = 0; e < VEC; e++) sum[e] = outside ? a.extrapolation : 0.0f;
    for (int i = 0; i < a.taps[0] && !outside; i++) {
        for (int j = 0; j < a.taps[1]; j++) {
            const float weight = a.weights[d + i] * a.weights[h + j];
            const i64 line = ((i64)a.indices[d + i] * a.in[1] + a.indices[h + j]) * a.in[2];
#pragma unroll 2
            for (int k = 0; k < a.taps[2]; k++) {
                float v[VEC];
                load<VEC>(x + (line + a.indices[w + k]) * pitch, v);
                const float own = weight * a.weights[w + k];
                // Taps that fill a table up weigh 0, and what they meet need not be finite.
                if (own == 0) continue;
#pragma unroll
                for (int e = 0; e < VEC; e++) sum[e] += own * v[e];
            }
        }
    }
    store<VEC>(a.y + (i64)index * VEC, sum);
#endif
}
