// Softmax (MODE 0), LogSoftmax (1), Hardmax (2), and division by the sum of magnitudes (3) or their Euclidean norm (4).
// Behind elements.cuh, rows.cuh. X, Y: codes of the operands' types; VEC: elements at once, a divisor of the row's length and small
// enough that rows begin at multiples of it. FORM: 0 softmax_rows, 1 softmax_long, 2 softmax_strided or
// hardmax_strided, 3 softmax_columns.

typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;

#ifndef PACKS
#define PACKS 1
#endif
/// Lanes that share a row; 0: the block.
#ifndef WIDTH
#define WIDTH 0
#endif
#define THREADS (WIDTH ? WIDTH : blockDim.x)
/// The most threads that a block has.
#ifndef BOUND
#define BOUND 1024
#endif

DEVICE float part(float x, float top) { return MODE == 0 || MODE == 1 ? __expf(x - top) : MODE == 3 ? fabsf(x) : x * x; }

/// What is done with an element once the row is known. `total`: the sum of parts.
struct Finish {
    float top, factor;
    DEVICE Finish(float top, float total) : top(top) {
        if (MODE == 0) factor = 1.0f / total;
        if (MODE == 1) factor = logf(total);
        if (MODE == 3) factor = total;
        if (MODE == 4) factor = sqrtf(total);
    }
    DEVICE float operator()(float x) const {
        if (MODE == 0) return part(x, top) * factor;
        if (MODE == 1) return x - top - factor;
        return factor == 0.0f ? 0.0f : __fdividef(x, factor);
    }
};

#if FORM == 0
/// A row of n elements for THREADS == blockDim.x threads, which hold it: n <= THREADS * VEC * PACKS. Rows: blockIdx.x * blockDim.y + threadIdx.y;
/// the block is whole warps.
extern "C" __global__ void __launch_bounds__(BOUND) softmax_rows(const Input *x, Output *y, int n, int rows) {
    wait_for_others();
    const int row = blockIdx.x * blockDim.y + threadIdx.y;
    // Rows that are not there have no elements.
    const int length = row < rows ? n : 0;
    x += (i64)row * n;
    y += (i64)row * n;
    const bool scales = MODE < 3;
    float v[PACKS][VEC], top = scales ? -INFINITE : 0.0f;
#pragma unroll
    for (int p = 0; p < PACKS; p++) {
        const int at = (p * THREADS + threadIdx.x) * VEC;
        if (at < length) {
            load<VEC>(x + at, v[p]);
        } else {
#pragma unroll
            for (int i = 0; i < VEC; i++) v[p][i] = scales ? -INFINITE : 0.0f;
        }
    }
    if (scales) {
#pragma unroll
        for (int p = 0; p < PACKS; p++)
#pragma unroll
            for (int i = 0; i < VEC; i++) top = fmaxf(top, v[p][i]);
        top = join_row<WIDTH>(top, -INFINITE, Greater());
    }
#if MODE == 2
    int first = n;
#pragma unroll
    for (int p = 0; p < PACKS; p++)
#pragma unroll
        for (int i = VEC - 1; i >= 0; i--) {
            const int at = (p * THREADS + threadIdx.x) * VEC + i;
            if (v[p][i] == top && at < first) first = at;
        }
    first = join_row<WIDTH>(first, n, Least());
#else
    float total = 0;
#pragma unroll
    for (int p = 0; p < PACKS; p++)
#pragma unroll
        for (int i = 0; i < VEC; i++) {
            const float e = part(v[p][i], top);
            if (MODE == 0) v[p][i] = e;
            total += e;
        }
    total = join_row<WIDTH>(total, 0.0f, Add());
    const Finish finish(top, total);
#endif
#pragma unroll
    for (int p = 0; p < PACKS; p++) {
        const int at = (p * THREADS + threadIdx.x) * VEC;
        if (at >= length) continue;
#pragma unroll
        for (int i = 0; i < VEC; i++) {
#if MODE == 0
            v[p][i] *= finish.factor;
#elif MODE == 2
            v[p][i] = at + i == first ? 1.0f : 0.0f;
#else
            v[p][i] = finish(v[p][i]);
#endif
        }
        store<VEC>(y + at, v[p]);
    }
}

#endif

#if (FORM == 1 || FORM == 2) && MODE != 2
/// The greatest element and the sum of exponentials over it, as far as they are known.
struct Running {
    float top, total;
    DEVICE void add(float x) {
        if (MODE >= 3) {
            total += part(x, 0);
            return;
        }
        const float next = fmaxf(top, x);
        // Elements of -inf change nothing as long as there is no other.
        total = (top == next ? total : total * __expf(top - next)) + (x == -INFINITE && next == x ? 0.0f : __expf(x - next));
        top = next;
    }
    DEVICE void add(Running other) {
        if (MODE >= 3) {
            total += other.total;
            return;
        }
        const float next = fmaxf(top, other.top);
        total = (top == next ? total : total * __expf(top - next)) +
                (other.top == next ? other.total : other.total * __expf(other.top - next));
        top = next;
    }
};

#if FORM == 1
/// Calls f(place, elements) for all of a row that begins at a multiple of VEC less `head` elements: VEC at once where they lie so.
template <typename F>
DEVICE void each(const Input *x, i64 n, int head, F f) {
    const i64 body = (n - head) / VEC * VEC, rest = head + body + threadIdx.x;
    float one[1], v[VEC];
    if (threadIdx.x < head) {
        load<1>(x + threadIdx.x, one);
        f(threadIdx.x, one);
    }
#pragma unroll 2
    for (i64 at = threadIdx.x * VEC; at < body; at += blockDim.x * VEC) {
        load<VEC>(x + head + at, v);
        f(head + at, v);
    }
    if (rest < n) {
        load<1>(x + rest, one);
        f(rest, one);
    }
}

/// A row for a block, read twice: any n. Here VEC need not divide it.
extern "C" __global__ void softmax_long(const Input *x, Output *y, i64 n) {
    wait_for_others();
    const i64 start = blockIdx.x * n;
    const int head = (int)min(n, (i64)(VEC - start % VEC) % VEC);
    x += start;
    y += start;
    float top = -INFINITE, total = 0;
    if (MODE < 3) {
        each(x, n, head, [&](i64, auto &v) {
            float next = top;
            for (float e : v) next = fmaxf(next, e);
            const float origin = next == -INFINITE ? 0.0f : next;
            total *= __expf(top - origin);
            for (float e : v) total += __expf(e - origin);
            top = next;
        });
        const float most = join_block(top, -INFINITE, Greater());
        // A row of nothing but -inf is NaN.
        total *= __expf(top - (most == -INFINITE ? 0.0f : most));
        top = most;
    } else {
        each(x, n, head, [&](i64, auto &v) {
            for (float e : v) total += part(e, 0);
        });
    }
    const Finish finish(top, join_block(total, 0.0f, Add()));
    each(x, n, head, [&](i64 at, auto &v) {
        for (float &e : v) e = finish(e);
        store<sizeof(v) / sizeof(float)>(y + at, v);
    });
}
#endif

#if FORM == 2
/// Along an inner axis, [outer, n, inner]: threadIdx.x counts packs of columns, the threads of one column share its elements. `columns`:
/// blocks for the columns of one item, blockIdx.x = item * columns + block. 256 threads.
extern "C" __global__ void softmax_strided(const Input *x, Output *y, int n, int inner, int columns) {
    wait_for_others();
    __shared__ Running parts[256 * VEC];
    const i64 item = blockIdx.x / columns;
    const int column = ((blockIdx.x - item * columns) * blockDim.x + threadIdx.x) * VEC;
    const bool inside = column < inner;
    x += item * n * inner + column;
    y += item * n * inner + column;
    Running own[VEC];
    float v[VEC];
#pragma unroll
    for (int i = 0; i < VEC; i++) own[i] = {-INFINITE, 0.0f};
    if (inside)
        for (int row = threadIdx.y; row < n; row += blockDim.y) {
            load<VEC>(x + (i64)row * inner, v);
#pragma unroll
            for (int i = 0; i < VEC; i++) own[i].add(v[i]);
        }
    if (blockDim.y > 1) {
#pragma unroll
        for (int i = 0; i < VEC; i++) parts[(threadIdx.y * VEC + i) * blockDim.x + threadIdx.x] = own[i];
        __syncthreads();
#pragma unroll
        for (int i = 0; i < VEC; i++) {
            own[i] = parts[i * blockDim.x + threadIdx.x];
            for (int other = 1; other < blockDim.y; other++) own[i].add(parts[(other * VEC + i) * blockDim.x + threadIdx.x]);
        }
    }
    if (!inside) return;
    for (int row = threadIdx.y; row < n; row += blockDim.y) {
        load<VEC>(x + (i64)row * inner, v);
#pragma unroll
        for (int i = 0; i < VEC; i++) v[i] = Finish(own[i].top, own[i].total)(v[i]);
        store<VEC>(y + (i64)row * inner, v);
    }
}
#endif
#endif

#if FORM == 2 && MODE == 2
/// Hardmax of [outer, n, inner], a thread a column: any n.
extern "C" __global__ void hardmax_strided(const Input *x, Output *y, int n, int inner, i64 lines) {
    wait_for_others();
    const i64 line = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (line >= lines) return;
    const i64 start = line / inner * inner * n + line % inner;
    int best = 0;
    float top = widen(x[start]);
    for (int i = 1; i < n; i++) {
        const float next = widen(x[start + (i64)i * inner]);
        if (next > top) {
            top = next;
            best = i;
        }
    }
    for (int i = 0; i < n; i++) y[start + (i64)i * inner] = rounded<Output>(i == best ? 1.0f : 0.0f);
}
#endif

#if FORM == 3
/// Along an inner axis of n <= PACKS elements, [outer, n, inner]: a thread has VEC columns in its registers. `packs`: threads for one item.
extern "C" __global__ void softmax_columns(const Input *x, Output *y, int n, int inner, int packs, i64 count) {
    wait_for_others();
    const i64 index = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (index >= count) return;
    const i64 item = index / packs, start = item * n * inner + (index - item * packs) * VEC;
    float v[PACKS][VEC];
#pragma unroll
    for (int row = 0; row < PACKS; row++)
        if (row < n) load<VEC>(x + start + (i64)row * inner, v[row]);
#pragma unroll
    for (int i = 0; i < VEC; i++) {
        float top = -INFINITE, total = 0;
        int first = 0;
#pragma unroll
        for (int row = 0; row < PACKS; row++)
            if (MODE < 3 && row < n) {
                if (v[row][i] > top) first = row;
                top = fmaxf(top, v[row][i]);
            }
#pragma unroll
        for (int row = 0; row < PACKS; row++)
            if (MODE != 2 && row < n) total += part(v[row][i], top);
        const Finish finish(top, total);
#pragma unroll
        for (int row = 0; row < PACKS; row++) v[row][i] = MODE == 2 ? (row == first ? 1.0f : 0.0f) : finish(v[row][i]);
    }
#pragma unroll
    for (int row = 0; row < PACKS; row++)
        if (row < n) store<VEC>(y + start + (i64)row * inner, v[row]);
}
#endif
