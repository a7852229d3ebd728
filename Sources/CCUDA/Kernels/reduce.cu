// Reductions. Behind elements.cuh, rows.cuh. X: code of the elements' type, Y: of the result's; VEC: elements at once.
// OP: 0 sum, 1 mean, 2 greatest, 3 least, 4 product, 5 sum of magnitudes, 6 its Euclidean norm, 7 logarithm of the sum,
// 8 logarithm of the sum of exponentials, 9 sum of squares, 10 p-norm. FORM: 0 reduce_rows, 1 reduce_columns, 2 reduce_strided; and reduce_parts.

typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;
typedef Wide<Input>::type Sum;

template <typename A> struct Limits;
template <> struct Limits<float> {
    DEVICE static float least() { return -INFINITE; }
    DEVICE static float greatest() { return INFINITE; }
};
template <> struct Limits<double> {
    DEVICE static double least() { return -(double)INFINITE; }
    DEVICE static double greatest() { return (double)INFINITE; }
};
template <> struct Limits<i64> {
    DEVICE static i64 least() { return -0x7fffffffffffffffll - 1; }
    DEVICE static i64 greatest() { return 0x7fffffffffffffffll; }
};
template <> struct Limits<u64> {
    DEVICE static u64 least() { return 0; }
    DEVICE static u64 greatest() { return ~0ull; }
};

DEVICE float magnitude(float x) { return fabsf(x); }
DEVICE double magnitude(double x) { return fabs(x); }
DEVICE i64 magnitude(i64 x) { return x < 0 ? -x : x; }
DEVICE u64 magnitude(u64 x) { return x; }

struct Parameters {
    /// Elements that come together in one result.
    i64 count;
    /// Of the p-norm.
    float p;
};

/// What is known of elements that were met. NaN wins over everything.
struct Gathered {
    Sum total;
#if OP == 8
    Sum top;
#endif
    DEVICE static Gathered none() {
        Gathered r;
        r.total = OP == 4 ? (Sum)1 : OP == 2 ? Limits<Sum>::least() : OP == 3 ? Limits<Sum>::greatest() : (Sum)0;
#if OP == 8
        r.top = Limits<Sum>::least();
#endif
        return r;
    }
    DEVICE void add(Sum x, const Parameters &a) {
#if OP == 8
        const Sum next = x > top || x != x ? x : top, origin = next == Limits<Sum>::least() ? (Sum)0 : next;
        if (next != top) total *= exp(top - origin);
        // An infinite greatest element is the result.
        total += x == origin ? (Sum)1 : exp(x - origin);
        top = next;
#elif OP == 10
        total += powf((float)magnitude(x), a.p);
#else
        Gathered one;
        one.total = OP == 5 ? magnitude(x) : OP == 6 || OP == 9 ? x * x : x;
        *this = join(*this, one);
#endif
    }
    DEVICE static Gathered join(Gathered a, Gathered b) {
        Gathered r;
#if OP == 8
        r.top = b.top > a.top || b.top != b.top ? b.top : a.top;
        const Sum origin = r.top == Limits<Sum>::least() ? (Sum)0 : r.top;
        r.total = (a.top == r.top ? a.total : a.total * exp(a.top - origin)) + (b.top == r.top ? b.total : b.total * exp(b.top - origin));
#elif OP == 2
        r.total = b.total > a.total || b.total != b.total ? b.total : a.total;
#elif OP == 3
        r.total = b.total < a.total || b.total != b.total ? b.total : a.total;
#elif OP == 4
        r.total = a.total * b.total;
#else
        r.total = a.total + b.total;
#endif
        return r;
    }
    DEVICE Gathered operator()(Gathered a, Gathered b) const { return join(a, b); }
    DEVICE Output result(const Parameters &a) const {
#if OP == 1
        return rounded<Output>(total / (Sum)a.count);
#elif OP == 6
        return rounded<Output>(sqrt(total));
#elif OP == 7
        return rounded<Output>(log(total));
#elif OP == 8
        return rounded<Output>(top - top == 0 ? top + log(total) : top);
#elif OP == 10
        return rounded<Output>(powf(total, 1.0f / a.p));
#else
        return rounded<Output>(total);
#endif
    }
};
DEVICE Gathered across(Gathered a, int mask) {
    a.total = across(a.total, mask);
#if OP == 8
    a.top = across(a.top, mask);
#endif
    return a;
}

/// Results go to `y`, or, where rows are split, to `parts`, [result, split].
struct Target {
    Output *y;
    Gathered *parts;
};

#if FORM == 0
/// Rows of n elements: row blockIdx.x * blockDim.y + threadIdx.y, its part blockIdx.y with `chunk` elements, a multiple of VEC.
/// blockDim.x: a power of two up to 32, or with blockDim.y == 1 any number of warps.
extern "C" __global__ void reduce_rows(const Input *x, Target to, i64 n, i64 rows, i64 chunk, Parameters a) {
    wait_for_others();
    const i64 row = blockIdx.x * (i64)blockDim.y + threadIdx.y;
    x += row * n;
    // Rows that are not there have no elements.
    const i64 end = row < rows ? min(n, (blockIdx.y + 1) * chunk) : 0;
    Gathered own = Gathered::none();
    Sum v[VEC];
    i64 at = blockIdx.y * chunk + threadIdx.x * VEC;
    // Four loads at once.
    for (; at + 3 * (i64)blockDim.x * VEC < end; at += 4 * blockDim.x * VEC) {
        Sum more[4][VEC];
#pragma unroll
        for (int j = 0; j < 4; j++) load<VEC>(x + at + j * blockDim.x * VEC, more[j]);
#pragma unroll
        for (int j = 0; j < 4; j++)
#pragma unroll
            for (int i = 0; i < VEC; i++) own.add(more[j][i], a);
    }
    for (; at < end; at += blockDim.x * VEC) {
        load<VEC>(x + at, v);
#pragma unroll
        for (int i = 0; i < VEC; i++) own.add(v[i], a);
    }
    own = blockDim.x <= 32 ? join_lanes(own, blockDim.x, own) : join_block(own, Gathered::none(), own);
    if (threadIdx.x || row >= rows) return;
    if (to.parts) {
        to.parts[row * gridDim.y + blockIdx.y] = own;
    } else {
        to.y[row] = own.result(a);
    }
}

#endif

#if FORM == 1
/// Columns, [outer, n, inner]: threadIdx.x counts packs of columns, blockDim.y threads share them; blockIdx.x = item * columns + block, with
/// `columns` blocks for the columns of one item. Part blockIdx.y has `chunk` rows. 256 threads.
extern "C" __global__ void reduce_columns(const Input *x, Target to, int n, i64 inner, int columns, int chunk, Parameters a) {
    wait_for_others();
    __shared__ alignas(16) unsigned char memory[256 * VEC * sizeof(Gathered)];
    Gathered *parts = (Gathered *)memory;
    const i64 item = blockIdx.x / columns, column = ((blockIdx.x - item * columns) * (i64)blockDim.x + threadIdx.x) * VEC;
    const bool inside = column < inner;
    x += item * n * inner + column;
    Gathered own[VEC];
#pragma unroll
    for (int i = 0; i < VEC; i++) own[i] = Gathered::none();
    if (inside) {
        const int end = min(n, (int)(blockIdx.y + 1) * chunk);
#pragma unroll 4
        for (int row = blockIdx.y * chunk + threadIdx.y; row < end; row += blockDim.y) {
            Sum v[VEC];
            load<VEC>(x + row * inner, v);
#pragma unroll
            for (int i = 0; i < VEC; i++) own[i].add(v[i], a);
        }
    }
    for (int half = blockDim.y / 2; half; half /= 2) {
        // Those of the upper half hand theirs over.
        if (threadIdx.y >= half && threadIdx.y < 2 * half)
#pragma unroll
            for (int i = 0; i < VEC; i++) parts[((threadIdx.y - half) * VEC + i) * blockDim.x + threadIdx.x] = own[i];
        __syncthreads();
        if (threadIdx.y < half)
#pragma unroll
            for (int i = 0; i < VEC; i++) own[i] = Gathered::join(own[i], parts[(threadIdx.y * VEC + i) * blockDim.x + threadIdx.x]);
        __syncthreads();
    }
    if (!inside || threadIdx.y) return;
#pragma unroll
    for (int i = 0; i < VEC; i++) {
        const i64 result = item * inner + column + i;
        if (to.parts) {
            to.parts[result * gridDim.y + blockIdx.y] = own[i];
        } else {
            to.y[result] = own[i].result(a);
        }
    }
}

#endif

#if FORM == 2
/// Up to four axes, the last one innermost; those that are not there have the size 1.
struct Walk {
    int size[4];
    i64 stride[4];
    DEVICE i64 offset(i64 index) const {
        i64 sum = 0;
#pragma unroll
        for (int axis = 3; axis > 0; axis--) {
            const i64 rest = index / size[axis];
            sum += (index - rest * size[axis]) * stride[axis];
            index = rest;
        }
        return sum + index * stride[0];
    }
};

/// Axes that are no neighbours: `kept` leads to a result's first element, `met` from there to the others. Result blockIdx.x * blockDim.y +
/// threadIdx.y, its part blockIdx.y with `chunk` elements; blockDim.x as in reduce_rows.
extern "C" __global__ void reduce_strided(const Input *x, Target to, Walk kept, Walk met, i64 rows, i64 chunk, Parameters a) {
    wait_for_others();
    const i64 row = blockIdx.x * (i64)blockDim.y + threadIdx.y;
    if (row >= rows) return;
    x += kept.offset(row);
    const i64 end = min(a.count, (blockIdx.y + 1) * chunk);
    Gathered own = Gathered::none();
    for (i64 at = blockIdx.y * chunk + threadIdx.x; at < end; at += blockDim.x) own.add((Sum)widen(x[met.offset(at)]), a);
    own = blockDim.x == 32 ? join_warp(own, own) : join_block(own, Gathered::none(), own);
    if (threadIdx.x) return;
    if (to.parts) {
        to.parts[row * gridDim.y + blockIdx.y] = own;
    } else {
        to.y[row] = own.result(a);
    }
}

#endif

/// A warp joins the parts of a result.
extern "C" __global__ void reduce_parts(const Gathered *parts, Output *y, i64 rows, int splits, Parameters a) {
    wait_for_others();
    const i64 row = blockIdx.x * (i64)blockDim.y + threadIdx.y;
    if (row >= rows) return;
    Gathered own = Gathered::none();
    for (int i = threadIdx.x; i < splits; i += 32) own = Gathered::join(own, parts[row * splits + i]);
    own = join_warp(own, own);
    if (threadIdx.x == 0) y[row] = own.result(a);
}
