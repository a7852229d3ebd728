// RNN (CELL 0), GRU (1), LSTM (2) in float32: all inputs' products first, then a block for each item and direction goes through the steps.
// Behind elements.cuh, rows.cuh. X, W, B, S: codes of the types of inputs, weights, biases and peepholes, initial states (0: left out);
// Y, YH, YC: of the results. VEC divides the number of hidden units.

typedef Coded<X>::type Input;
typedef Coded<W>::type Weight;
typedef Coded<B ? B : 1>::type Bias;
typedef Coded<S ? S : 1>::type State;
#define GATES (CELL == 0 ? 1 : CELL == 1 ? 3 : 4)

struct Projection {
    const Input *x;
    const Weight *w;
    /// Of one direction: those of the inputs, then those of the states. Or NULL.
    const Bias *bias;
    float *to;
    int rows, columns, depth;
    /// Columns from here on get the inputs' bias alone.
    int separate;
};

/// to[direction, row, column] = x[row, :] w[direction, column, :] + biases. A block has 64 x 64 results: blockIdx (columns, rows, direction). 256 threads.
extern "C" __global__ void recurrent_project(const Projection a) {
    wait_for_others();
    __shared__ float left[16][68], right[16][68];
    const Weight *w = a.w + (i64)blockIdx.z * a.columns * a.depth;
    const int row = blockIdx.y * 64, column = blockIdx.x * 64, i = threadIdx.x / 16 * 4, j = threadIdx.x % 16 * 4;
    float sum[4][4] = {};
    for (int start = 0; start < a.depth; start += 16) {
        __syncthreads();
        for (int e = threadIdx.x; e < 64 * 16; e += 256) {
            const int k = e % 16, m = e / 16;
            const bool deep = start + k < a.depth;
            left[k][m] = deep && row + m < a.rows ? (float)widen(a.x[(i64)(row + m) * a.depth + start + k]) : 0.0f;
            right[k][m] = deep && column + m < a.columns ? (float)widen(w[(i64)(column + m) * a.depth + start + k]) : 0.0f;
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < 16; k++)
#pragma unroll
            for (int p = 0; p < 4; p++)
#pragma unroll
                for (int q = 0; q < 4; q++) sum[p][q] += left[k][i + p] * right[k][j + q];
    }
    for (int q = 0; q < 4; q++) {
        const int at = column + j + q;
        if (at >= a.columns) continue;
        const Bias *bias = a.bias + (i64)blockIdx.z * 2 * a.columns;
        float offset = a.bias ? (float)widen(bias[at]) : 0.0f;
        if (a.bias && at < a.separate) offset += (float)widen(bias[a.columns + at]);
        for (int p = 0; p < 4; p++)
            if (row + i + p < a.rows) a.to[((i64)blockIdx.z * a.rows + row + i + p) * a.columns + at] = sum[p][q] + offset;
    }
}

struct Activation {
    int kind;
    float alpha, beta;
    /// Of its own, or each call would bring all of them.
    __device__ __noinline__ float operator()(float x) const {
        switch (kind) {
        case 0: return 1.0f / (1.0f + __expf(-x));
        case 1: return tanhf(x);
        case 2: return fmaxf(x, 0.0f);
        case 3: return x / (1.0f + fabsf(x));
        case 4: return x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x));
        case 5: return alpha * x + beta;
        case 6: return x >= 0 ? x : alpha * x;
        case 7: return x >= alpha ? x : 0.0f;
        case 8: return alpha * tanhf(beta * x);
        case 9: return fminf(fmaxf(alpha * x + beta, 0.0f), 1.0f);
        default: return x >= 0 ? x : alpha * expm1f(x);
        }
    }
};

struct Steps {
    const float *projected;
    const Weight *r;
    const Bias *bias, *peepholes;
    /// Steps of each item, or NULL: all.
    const int *lengths;
    const State *hidden_start, *cell_start;
    /// Each may be NULL.
    Coded<Y>::type *y;
    Coded<YH>::type *hidden_end;
    Coded<YC>::type *cell_end;
    int length, batch, hidden, directions;
    /// The batch comes first; the first direction goes backwards; GRU: the reset gate comes behind the product; LSTM: forget is 1 - input.
    int batch_first, reverse, linear, coupled;
    /// 0: none.
    float clip;
    /// Three for each direction.
    Activation activations[6];
    DEVICE float clipped(float x) const { return clip > 0 ? fminf(fmaxf(x, -clip), clip) : x; }
};

/// to[j] = r[j, :] from, for rows first ..< last. A warp has four rows at once.
DEVICE void products(const Weight *r, const float *from, float *to, int hidden, int first, int last) {
    const int lane = threadIdx.x % 32;
    for (int j = first + threadIdx.x / 32 * 4; j < last; j += blockDim.x / 32 * 4) {
        float sum[4] = {0, 0, 0, 0};
        for (int k = lane * VEC; k < hidden; k += 32 * VEC) {
            float v[4][VEC];
#pragma unroll
            for (int e = 0; e < 4; e++) load<VEC>(r + (i64)min(j + e, last - 1) * hidden + k, v[e]);
#pragma unroll
            for (int e = 0; e < 4; e++)
#pragma unroll
                for (int i = 0; i < VEC; i++) sum[e] += v[e][i] * from[k + i];
        }
#pragma unroll
        for (int e = 0; e < 4; e++) {
            sum[e] = join_warp(sum[e], Add());
            if (lane == 0 && j + e < last) to[j + e] = sum[e];
        }
    }
}

/// blockIdx (item, direction). Dynamic shared memory: (3 + GATES) * hidden floats.
extern "C" __global__ void __launch_bounds__(1024) recurrent_steps(const Steps a) {
    wait_for_others();
    extern __shared__ float memory[];
    const int n = a.hidden, item = blockIdx.x, direction = blockIdx.y;
    float *h = memory, *c = h + n, *other = c + n, *gates = other + n;
    const bool backwards = a.reverse || direction == 1;
    const int length = a.lengths ? min(max(a.lengths[item], 0), a.length) : a.length;
    const Weight *r = a.r + (i64)direction * GATES * n * n;
#if CELL == 1
    const Bias *bias = a.bias + ((i64)direction * 2 + 1) * GATES * n;
#elif CELL == 2
    const Bias *peepholes = a.peepholes + (i64)direction * 3 * n;
#endif
    const Activation *f = a.activations + 3 * direction;
    const i64 state = a.batch_first ? ((i64)item * a.directions + direction) * n : ((i64)direction * a.batch + item) * n;
    for (int j = threadIdx.x; j < n; j += blockDim.x) {
        h[j] = a.hidden_start ? (float)widen(a.hidden_start[state + j]) : 0.0f;
        c[j] = a.cell_start ? (float)widen(a.cell_start[state + j]) : 0.0f;
    }
    for (int step = 0; step < a.length; step++) {
        const int t = backwards ? a.length - 1 - step : step;
        const i64 row = a.batch_first ? (i64)item * a.length + t : (i64)t * a.batch + item;
        const i64 target = a.batch_first ? (row * a.directions + direction) * n : (((i64)t * a.directions + direction) * a.batch + item) * n;
        __syncthreads();
        if (t >= length) {
            if (a.y)
                for (int j = threadIdx.x; j < n; j += blockDim.x) a.y[target + j] = rounded<Coded<Y>::type>(0.0f);
            continue;
        }
        const float *x = a.projected + ((i64)direction * a.length * a.batch + row) * GATES * n;
        products(r, h, gates, n, 0, CELL == 1 && !a.linear ? 2 * n : GATES * n);
        __syncthreads();
#if CELL == 1
        if (!a.linear) {
            for (int j = threadIdx.x; j < n; j += blockDim.x) other[j] = f[0](a.clipped(x[n + j] + gates[n + j])) * h[j];
            __syncthreads();
            products(r, other, gates, n, 2 * n, 3 * n);
            __syncthreads();
        }
#endif
        for (int j = threadIdx.x; j < n; j += blockDim.x) {
#if CELL == 0
            const float next = f[0](a.clipped(x[j] + gates[j]));
#elif CELL == 1
            const float update = f[0](a.clipped(x[j] + gates[j]));
            float inner = gates[2 * n + j];
            if (a.linear) inner = f[0](a.clipped(x[n + j] + gates[n + j])) * (inner + (a.bias ? (float)widen(bias[2 * n + j]) : 0.0f));
            const float fresh = f[1](a.clipped(x[2 * n + j] + inner)), next = (1 - update) * fresh + update * h[j];
#else
            const float old = c[j];
            float in = x[j] + gates[j], out = x[n + j] + gates[n + j], forget = x[2 * n + j] + gates[2 * n + j];
            if (a.peepholes) {
                in += (float)widen(peepholes[j]) * old;
                forget += (float)widen(peepholes[2 * n + j]) * old;
            }
            in = f[0](a.clipped(in));
            forget = a.coupled ? 1 - in : f[0](a.clipped(forget));
            const float cell = forget * old + in * f[1](a.clipped(x[3 * n + j] + gates[3 * n + j]));
            if (a.peepholes) out += (float)widen(peepholes[n + j]) * cell;
            const float next = f[0](a.clipped(out)) * f[2](cell);
            c[j] = cell;
#endif
            h[j] = next;
            if (a.y) a.y[target + j] = rounded<Coded<Y>::type>(next);
        }
    }
    __syncthreads();
    for (int j = threadIdx.x; j < n; j += blockDim.x) {
        if (a.hidden_end) a.hidden_end[state + j] = rounded<Coded<YH>::type>(h[j]);
        if (a.cell_end) a.cell_end[state + j] = rounded<Coded<YC>::type>(c[j]);
    }
}
