// Normalization of rows by their statistics. OP: 0 by mean and variance, 1 by the root mean square, 2 (x - mean) / (deviation + epsilon).
// Behind elements.cuh, rows.cuh. X, Y: codes of the operands' types; SCALE, BIAS, SKIP, SHIFT, SUM: those of operands that may be left out (0).
// VEC: elements at once; rows, and with CHANNELS or SEGMENTS channels, are multiples of it. FORM: 0 norm_rows, 1 norm_moments and norm_apply.

typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;
#define OPERAND(code) Coded<(code) ? (code) : 1>::type

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
#ifndef SKIP
#define SKIP 0
#endif
#ifndef SHIFT
#define SHIFT 0
#endif
#ifndef SUM
#define SUM 0
#endif
#ifndef CHANNELS
#define CHANNELS 0
#endif
#ifndef SEGMENTS
#define SEGMENTS 0
#endif

struct Arguments {
    const Input *x;
    Output *y;
    /// One for each element of a row; with CHANNELS, for each channel.
    const OPERAND(SCALE) *scale;
    const OPERAND(BIAS) *bias;
    /// What is added to x first: `skip`, whose rows repeat after `skip_rows`, and `shift`, one for each element of a row.
    const OPERAND(SKIP) *skip;
    const OPERAND(SHIFT) *shift;
    /// May be NULL: each row's mean and factor, and what was normalized.
    float *mean, *inverse;
    OPERAND(SUM) *sum;
    /// Elements in a row, rows.
    i64 n, rows, skip_rows;
    float epsilon;
    /// CHANNELS: a row is `row_channels` channels of `plane.value` elements; the operands have `channels` of them.
    /// SEGMENTS: a row's channels lie `pitch` elements apart, and rows a channel.
    int channels, row_channels;
    Divisor plane;
    i64 pitch;
};

/// Where element `at` of a row lies.
DEVICE i64 place(const Arguments &a, i64 row, i64 at) {
#if SEGMENTS
    u32 rest;
    const u32 segment = a.plane.split((u32)at, rest);
    return segment * a.pitch + row * a.plane.value + rest;
#else
    return row * a.n + at;
#endif
}

DEVICE void fetch(const Arguments &a, i64 row, i64 at, float (&v)[VEC]) {
    load<VEC>(a.x + place(a, row, at), v);
#if SKIP
    float more[VEC];
    load<VEC>(a.skip + row % a.skip_rows * a.n + at, more);
#pragma unroll
    for (int i = 0; i < VEC; i++) v[i] += more[i];
#if SHIFT
    load<VEC>(a.shift + at, more);
#pragma unroll
    for (int i = 0; i < VEC; i++) v[i] += more[i];
#endif
    if (a.sum) store<VEC>(a.sum + row * a.n + at, v);
#endif
}

/// Mean and factor of a row.
struct Statistics {
    float mean, factor;
    /// `total`: the sum of squares, of differences from the mean but for the root mean square.
    DEVICE Statistics(const Arguments &a, float mean, float total) : mean(mean) {
        const float variance = total / (float)a.n;
        factor = OP == 2 ? 1.0f / (sqrtf(variance) + a.epsilon) : rsqrtf(variance + a.epsilon);
    }
    DEVICE void note(const Arguments &a, i64 row) const {
        if (a.mean) a.mean[row] = mean;
        if (a.inverse) a.inverse[row] = factor;
    }
};

DEVICE void finish(const Arguments &a, i64 row, i64 at, const Statistics &s, float (&v)[VEC]) {
#if CHANNELS
    const int channel = (int)(row % (a.channels / a.row_channels)) * a.row_channels + a.plane.quotient((u32)at);
    const float factor = SCALE ? s.factor * (float)widen(a.scale[channel]) : s.factor;
    const float offset = BIAS ? (float)widen(a.bias[channel]) : 0.0f;
#pragma unroll
    for (int i = 0; i < VEC; i++) v[i] = (v[i] - s.mean) * factor + offset;
#else
    float other[VEC];
#pragma unroll
    for (int i = 0; i < VEC; i++) v[i] = (OP == 1 ? v[i] : v[i] - s.mean) * s.factor;
    if (SCALE) {
        load<VEC>(a.scale + at, other);
#pragma unroll
        for (int i = 0; i < VEC; i++) v[i] *= other[i];
    }
    if (BIAS) {
        load<VEC>(a.bias + at, other);
#pragma unroll
        for (int i = 0; i < VEC; i++) v[i] += other[i];
    }
#endif
    store<VEC>(a.y + place(a, row, at), v);
}

#if FORM == 0
/// A row for THREADS == blockDim.x threads, which hold it: n <= THREADS * VEC * PACKS. Rows: blockIdx.x * blockDim.y + threadIdx.y; the block is
/// whole warps.
extern "C" __global__ void __launch_bounds__(BOUND) norm_rows(const Arguments a) {
    wait_for_others();
    const i64 row = blockIdx.x * blockDim.y + threadIdx.y;
    // Rows that are not there have no elements.
    const int n = row < a.rows ? (int)a.n : 0;
    float v[PACKS][VEC], mean = 0, total = 0;
#pragma unroll
    for (int p = 0; p < PACKS; p++) {
        const int at = (p * THREADS + threadIdx.x) * VEC;
        if (at < n) {
            fetch(a, row, at, v[p]);
        } else {
#pragma unroll
            for (int i = 0; i < VEC; i++) v[p][i] = 0;
        }
    }
    if (OP != 1) {
#pragma unroll
        for (int p = 0; p < PACKS; p++)
#pragma unroll
            for (int i = 0; i < VEC; i++) mean += v[p][i];
        mean = join_row<WIDTH>(mean, 0.0f, Add()) / (float)a.n;
    }
#pragma unroll
    for (int p = 0; p < PACKS; p++) {
        if ((p * THREADS + threadIdx.x) * VEC >= n) continue;
#pragma unroll
        for (int i = 0; i < VEC; i++) {
            const float difference = v[p][i] - mean;
            total += difference * difference;
        }
    }
    const Statistics statistics(a, mean, join_row<WIDTH>(total, 0.0f, Add()));
    if (threadIdx.x == 0 && n) statistics.note(a, row);
#pragma unroll
    for (int p = 0; p < PACKS; p++) {
        const int at = (p * THREADS + threadIdx.x) * VEC;
        if (at < n) finish(a, row, at, statistics, v[p]);
    }
}

#else
/// Count, mean and sum of squared differences of elements; for the root mean square, the sum of squares.
struct Moments {
    float count, mean, total;

    DEVICE void add(const float (&v)[VEC]) {
        Moments own = {VEC, 0, 0};
        if (OP != 1) {
#pragma unroll
            for (int i = 0; i < VEC; i++) own.mean += v[i];
            own.mean /= VEC;
        }
#pragma unroll
        for (int i = 0; i < VEC; i++) own.total += (v[i] - own.mean) * (v[i] - own.mean);
        *this = join(*this, own);
    }
    DEVICE static Moments join(Moments a, Moments b) {
        const float count = a.count + b.count, difference = b.mean - a.mean;
        if (OP == 1 || count == 0) return {count, 0, a.total + b.total};
        // Both ways round the same bits.
        return {count, (a.mean * a.count + b.mean * b.count) / count,
                a.total + b.total + difference * difference * (a.count * b.count / count)};
    }
    DEVICE Moments operator()(Moments a, Moments b) const { return join(a, b); }
};
DEVICE Moments across(Moments a, int mask) { return {across(a.count, mask), across(a.mean, mask), across(a.total, mask)}; }

/// Rows of any length, first half: block (split, row) has `chunk` elements of a row, a multiple of VEC.
extern "C" __global__ void norm_moments(const Arguments a, Moments *parts, i64 chunk) {
    wait_for_others();
    const i64 end = min(a.n, (blockIdx.y + 1) * chunk);
    Moments own = {0, 0, 0};
    float v[VEC];
    for (i64 at = blockIdx.y * chunk + threadIdx.x * VEC; at < end; at += blockDim.x * VEC) {
        load<VEC>(a.x + place(a, blockIdx.x, at), v);
        own.add(v);
    }
    own = join_block(own, Moments{0, 0, 0}, own);
    if (threadIdx.x == 0) parts[blockIdx.x * (i64)gridDim.y + blockIdx.y] = own;
}

/// Second half, of the same shape: every block joins its row's parts, in one order.
extern "C" __global__ void norm_apply(const Arguments a, const Moments *parts, i64 chunk) {
    wait_for_others();
    Moments all = {0, 0, 0};
    for (int i = threadIdx.x % 32; i < gridDim.y; i += 32) all = all(all, parts[blockIdx.x * (i64)gridDim.y + i]);
    all = join_warp(all, all);
    const Statistics statistics(a, all.mean, all.total);
    if (blockIdx.y == 0 && threadIdx.x == 0) statistics.note(a, blockIdx.x);
    const i64 end = min(a.n, (blockIdx.y + 1) * chunk);
    float v[VEC];
    for (i64 at = blockIdx.y * chunk + threadIdx.x * VEC; at < end; at += blockDim.x * VEC) {
        load<VEC>(a.x + place(a, blockIdx.x, at), v);
        finish(a, blockIdx.x, at, statistics, v);
    }
}
#endif
