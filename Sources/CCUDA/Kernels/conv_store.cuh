// What becomes of a tile's sums: bias, sum, activation, and the result in either layout. The macros are conv_mma.cu's.
#pragma once

using out_element = TypeOf<OUT>::type;
using added_element = TypeOf<ADDED>::type;

/// Four sums of the tile, of all blocks that share it.
DEVICE float4 total(const float *sums, int place) {
#if SPLITS > 1
    const u32 address = shared_address(sums + place);
    float4 all = load_of(address, 0);
#pragma unroll
    for (int i = 1; i < SPLITS; i++) {
        const float4 x = load_of(address, i);
        all.x += x.x, all.y += x.y, all.z += x.z, all.w += x.w;
    }
    return all;
#else
    return *(const float4 *)(sums + place);
#endif
}

struct Target {
    const float *bias;
    const added_element *added;
    out_element *y;

    DEVICE float finish(const ConvParams &p, float x, int n, i64 at) const {
        if (bias) x += bias[n];
        if (added) x += widen(added[at]);
        return activate<ACTIVATION>(x, p.p0, p.p1);
    }

    /// Eight channels of a row of the tile where they cannot be stored at once.
    DEVICE void singly(const ConvParams &p, const float *sums, int place, int n, i64 at) const {
        const float4 low = total(sums, place), high = total(sums, place + 4);
        const float x[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
        for (int e = 0; e < 8; e++)
            if (n + e < p.n) y[at + e] = narrow<out_element>(finish(p, x[e], n + e, at + e));
    }

    /// The same where positions of a channel lie next to each other; `channels`: of all groups.
    DEVICE void planes(const ConvParams &p, const float *sums, int row, int column, int first, int last, int channels) const {
        const int height = last - first;
        for (int i = threadIdx.x; i < height * (BN / 4); i += THREADS) {
            const int r = first + i % height, j = i / height * 4;
            const int m = row + r, n = column + j;
            if (m >= p.rows || n >= p.n) continue;
            const float4 sum = total(sums, r * PITCH + j);
            const float x[4] = {sum.x, sum.y, sum.z, sum.w};
            u32 item;
            const u32 position = p.position(m, item);
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const i64 at = ((i64)item * channels + n + e) * p.plane_size() + position;
                if (n + e < p.n) y[at] = narrow<out_element>(finish(p, x[e], n + e, at));
            }
        }
    }
};

// Rows that are stored at once, 8 channels a thread, and how often that is done.
constexpr int STORE_ROWS = THREADS / (BN / 8);
constexpr int STORES = (BM / SPLITS + STORE_ROWS - 1) / STORE_ROWS;
constexpr int BATCH = STORES < 4 ? STORES : 4;  // whose addends are loaded before the first is used
constexpr bool EARLY = STORES <= 4;             // they are loaded before the products

/// What a thread stores: always the same eight channels.
struct Rows {
    int n, first, last;  // its channels; rows of the tile
    i64 at[BATCH];       // of the result; -1: nowhere
    Eight<float> bias;
    Eight<added_element> added[BATCH];

    DEVICE void begin(const ConvParams &p, const Target &target, int column, int begin, int end) {
        n = column + threadIdx.x % (BN / 8) * 8;
        first = begin + threadIdx.x / (BN / 8);
        last = end;
        if (target.bias && p.vectors && n < p.n) bias.load(target.bias + n);
    }
    /// Addresses, and what is added, of the rows from number `index` of the thread's on.
    DEVICE void load(const ConvParams &p, const Target &target, int row, int index) {
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            const int r = first + (index + i) * STORE_ROWS, m = row + r;
            at[i] = -1;
            if (r >= last || m >= p.rows || n >= p.n) continue;
            u32 line = m, item;
            if (p.scattered) {
                line = p.position(m, item);
                line += item * p.plane_size();
            }
            at[i] = (i64)line * p.ldy + n;
            if (target.added && p.vectors) added[i].load(target.added + at[i]);
        }
    }
    DEVICE void store(const ConvParams &p, const Target &target, const float *sums, int index) const {
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            if (at[i] < 0) continue;
            const int place = (first + (index + i) * STORE_ROWS) * PITCH + threadIdx.x % (BN / 8) * 8;
            if (!p.vectors) {
                target.singly(p, sums, place, n, at[i]);
                continue;
            }
            const float4 low = total(sums, place), high = total(sums, place + 4);
            float x[8] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
            if (target.bias) bias.add_to(x);
            if (target.added) added[i].add_to(x);
#pragma unroll
            for (int e = 0; e < 8; e++) x[e] = activate<ACTIVATION>(x[e], p.p0, p.p1);
            store8(target.y + at[i], x);
        }
    }
};
