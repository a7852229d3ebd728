// Pooling over up to three spatial axes. Behind elements.cuh, rows.cuh. X, Y: codes of the operands' types.
// KIND: 0 greatest, 1 mean, 2 p-norm. LAST: [N, spatial.., C] with VEC channels at once; else [N, C, spatial..], VEC 1.

typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;
typedef decltype(widen(Input())) Value;

struct Window {
    const Input *x;
    Output *y;
    /// The place of each greatest element in the whole tensor; NULL where nobody asks.
    i64 *places;
    /// Threads that have something to do: VEC elements each.
    u32 count;
    int in[3], out[3], kernel[3], stride[3], dilation[3], begin[3], end[3];
    /// Of a thread's number: what lies behind, then columns, rows, depth.
    Divisor inner, columns, rows, depth;
    float p;
    /// The mean counts padding. Places count the first spatial axis fastest.
    int counts_padding, column_major;
};

/// The taps of a window along an axis that lie within the image, or the padded image.
struct Span {
    int first, last, start;
    DEVICE Span(const Window &w, int axis, int position) {
        start = position * w.stride[axis] - w.begin[axis];
        const int step = w.dilation[axis];
        first = start >= 0 ? 0 : (step - 1 - start) / step;
        last = w.in[axis] <= start ? 0 : min(w.kernel[axis], (w.in[axis] - start + step - 1) / step);
    }
    DEVICE int padded(const Window &w, int axis) const {
        const int room = w.in[axis] + w.end[axis] - start, step = w.dilation[axis];
        return min(w.kernel[axis], room <= 0 ? 0 : (room + step - 1) / step);
    }
    DEVICE int taps() const { return max(last - first, 0); }
};

DEVICE float power(float x, float p) { return p == 1 ? fabsf(x) : p == 2 ? x * x : powf(fabsf(x), p); }

DEVICE float lowest(float) { return -INFINITE; }
DEVICE double lowest(double) { return -(double)INFINITE; }
DEVICE int lowest(int) { return -0x7fffffff - 1; }

extern "C" __global__ void pool(const Window w) {
    wait_for_others();
    const u32 index = blockIdx.x * blockDim.x + threadIdx.x;
    if (index >= w.count) return;
    // inner: packs of channels, or the columns' one; item: image, or plane.
    u32 inner, column, row, slice;
    u32 item = w.inner.split(index, inner);
    item = w.columns.split(item, column);
    item = w.rows.split(item, row);
    item = w.depth.split(item, slice);
    const Span d(w, 0, slice), h(w, 1, row), c(w, 2, column);
    const i64 pitch = LAST ? (i64)w.inner.value * VEC : 1, plane = (i64)w.in[0] * w.in[1] * w.in[2];
    const Input *x = w.x + item * plane * pitch + (LAST ? inner * VEC : 0);
    Value sum[VEC];
#if KIND == 0 && !LAST
    int best = -1;
#endif
#pragma unroll
    for (int i = 0; i < VEC; i++) sum[i] = KIND == 0 ? lowest((Value)0) : (Value)0;
    for (int i = d.first; i < d.last; i++) {
        for (int j = h.first; j < h.last; j++) {
            const int line = ((d.start + i * w.dilation[0]) * w.in[1] + h.start + j * w.dilation[1]) * w.in[2] + c.start;
#pragma unroll 4
            for (int k = c.first; k < c.last; k++) {
                const int at = line + k * w.dilation[2];
                Value v[VEC];
                load<VEC>(x + at * pitch, v);
#if KIND == 0
#if !LAST
                if (w.places && (best < 0 || v[0] > sum[0] || (v[0] != v[0] && sum[0] == sum[0]))) best = at;
#endif
#pragma unroll
                for (int e = 0; e < VEC; e++) sum[e] = v[e] > sum[e] || v[e] != v[e] ? v[e] : sum[e];
#elif KIND == 1
#pragma unroll
                for (int e = 0; e < VEC; e++) sum[e] += v[e];
#else
#pragma unroll
                for (int e = 0; e < VEC; e++) sum[e] += power(v[e], w.p);
#endif
            }
        }
    }
#if KIND == 1
    const int taps = w.counts_padding ? d.padded(w, 0) * h.padded(w, 1) * c.padded(w, 2) : d.taps() * h.taps() * c.taps();
#pragma unroll
    for (int e = 0; e < VEC; e++) sum[e] /= (Value)taps;
#elif KIND == 2
#pragma unroll
    for (int e = 0; e < VEC; e++) sum[e] = w.p == 1 ? sum[e] : w.p == 2 ? sqrtf(sum[e]) : powf(sum[e], 1.0f / w.p);
#endif
    store<VEC>(w.y + (i64)index * VEC, sum);
#if KIND == 0 && !LAST
    if (w.places) {
        best = max(best, 0);
        if (w.column_major) {
            const int x = best % w.in[2], y = best / w.in[2] % w.in[1], z = best / w.in[2] / w.in[1];
            best = (x * w.in[1] + y) * w.in[0] + z;
        }
        w.places[index] = item * plane + best;
    }
#endif
}
