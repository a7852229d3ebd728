// ArgMax, ArgMin, TopK, CumSum, CumProd along one axis of [outer, n, inner]. Behind elements.cuh, rows.cuh. X: code of the elements' type.
// Y: of values that results are; KIND: 0 greatest, 1 least, 2 TopK, 3 CumSum, 4 CumProd.

typedef Coded<X>::type Input;
typedef Coded<Y>::type Output;
typedef Wide<Input>::type Value;

/// Line `line` of [outer, n, inner] begins here; its elements lie `inner` apart.
DEVICE i64 beginning(i64 line, i64 n, i64 inner) { return line / inner * inner * n + line % inner; }

#ifndef VEC
#define VEC 1
#endif

#if KIND < 2
/// The place of the greatest or least element that was met; NaN is either. `at` is -1 where none was.
struct Best {
    Value value;
    int at;

    DEVICE static bool wins(Best a, Best b, bool last) {
        if (a.at < 0 || b.at < 0) return b.at < 0;
        const bool unknown = a.value != a.value, other = b.value != b.value;
        if (unknown != other) return unknown;
        if (!unknown && a.value != b.value) return KIND == 0 ? a.value > b.value : a.value < b.value;
        return last ? a.at > b.at : a.at < b.at;
    }
};
DEVICE Best across(Best a, int mask) { return {across(a.value, mask), across(a.at, mask)}; }

struct Choice {
    bool last;
    DEVICE Best operator()(Best a, Best b) const { return Best::wins(a, b, last) ? a : b; }
};

/// Lines of neighbours, VEC at once, which divides n: line blockIdx.x * blockDim.y + threadIdx.y. blockDim.x: 32, or with blockDim.y == 1 any number of warps.
extern "C" __global__ void arg_rows(const Input *x, i64 *y, int n, i64 lines, int last) {
    wait_for_others();
    const i64 line = blockIdx.x * (i64)blockDim.y + threadIdx.y;
    if (line >= lines) return;
    const Choice choice = {last != 0};
    Best own = {(Value)0, -1};
#pragma unroll 4
    for (int at = threadIdx.x * VEC; at < n; at += blockDim.x * VEC) {
        Value v[VEC];
        load<VEC>(x + line * n + at, v);
#pragma unroll
        for (int i = 0; i < VEC; i++) own = choice(own, Best{v[i], at + i});
    }
    own = blockDim.x == 32 ? join_warp(own, choice) : join_block(own, Best{(Value)0, -1}, choice);
    if (threadIdx.x == 0) y[line] = own.at;
}

/// A thread a line.
extern "C" __global__ void arg_strided(const Input *x, i64 *y, int n, i64 lines, i64 inner, int last) {
    wait_for_others();
    const i64 line = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (line >= lines) return;
    const Choice choice = {last != 0};
    x += beginning(line, n, inner);
    Best own = {(Value)0, -1};
#pragma unroll 4
    for (int at = 0; at < n; at++) own = choice(own, Best{(Value)widen(x[at * inner]), at});
    y[line] = own.at;
}
#endif

#if KIND == 2
/// Keys ascend as TopK's results do; equal elements have equal keys.
template <int> struct KeyOf { typedef u32 type; };
template <> struct KeyOf<8> { typedef u64 type; };
typedef KeyOf<sizeof(Input)>::type Key;

DEVICE u32 ascending(float x) {
    if (x != x) return 0xffffffff;
    const u32 bits = __float_as_uint(x == 0 ? 0.0f : x);
    return bits >> 31 ? ~bits : bits | 0x80000000;
}
DEVICE u64 ascending(double x) {
    if (x != x) return ~0ull;
    const u64 bits = (u64)__double_as_longlong(x == 0 ? 0.0 : x);
    return bits >> 63 ? ~bits : bits | 1ull << 63;
}
DEVICE u32 ascending(int x) { return (u32)x ^ 0x80000000; }
DEVICE u32 ascending(u32 x) { return x; }
DEVICE u64 ascending(i64 x) { return (u64)x ^ 1ull << 63; }
DEVICE u64 ascending(u64 x) { return x; }

DEVICE Key key(Input x, bool largest) {
    const Key k = ascending(widen(x));
    return largest ? ~k : k;
}

/// `blockDim.x` counts are joined in order: how many the threads before this one have, and all have.
DEVICE int before(bool mine, int *counts, int &all) {
    const u32 votes = __ballot_sync(~0u, mine), lane = threadIdx.x % 32;
    __syncthreads();
    if (lane == 0) counts[threadIdx.x / 32] = __popc(votes);
    __syncthreads();
    int sum = __popc(votes & ((1u << lane) - 1));
    all = 0;
    for (int warp = 0; warp < blockDim.x / 32; warp++) {
        if (warp < threadIdx.x / 32) sum += counts[warp];
        all += counts[warp];
    }
    return sum;
}

/// The k first of a line into keys and places: those below the k-th key, and of those equal to it the first ones.
DEVICE void select(const Input *x, int n, i64 inner, int k, bool largest, Key *keys, int *places) {
    __shared__ int counts[256], found;
    __shared__ Key prefix;
    __shared__ int left;
    if (threadIdx.x == 0) {
        prefix = 0;
        left = k;
        found = 0;
    }
    for (int shift = 8 * sizeof(Key) - 8; shift >= 0; shift -= 8) {
        for (int i = threadIdx.x; i < 256; i += blockDim.x) counts[i] = 0;
        __syncthreads();
        const Key known = prefix;
        for (int at = threadIdx.x; at < n; at += blockDim.x) {
            const Key own = key(x[at * inner], largest);
            // All digits above this one are the k-th's.
            if (shift == 8 * sizeof(Key) - 8 || own >> (shift + 8) == known >> (shift + 8)) atomicAdd(&counts[own >> shift & 255], 1);
        }
        __syncthreads();
        if (threadIdx.x == 0) {
            int rest = left, digit = 0;
            while (rest > counts[digit]) rest -= counts[digit++];
            left = rest;
            prefix = known | (Key)digit << shift;
        }
        __syncthreads();
    }
    const Key limit = prefix;
    int ties = left;
    const int below = k - ties;
    __syncthreads();
    for (int start = 0; start < n; start += blockDim.x) {
        const int at = start + threadIdx.x;
        const Key own = at < n ? key(x[at * inner], largest) : ~(Key)0;
        const bool less = at < n && own < limit, tie = at < n && own == limit;
        if (less) {
            // In any order: they are sorted yet.
            const int slot = atomicAdd(&found, 1);
            keys[slot] = own;
            places[slot] = at;
        }
        if (ties == 0 || !__syncthreads_or(tie)) continue;
        int all;
        const int slot = before(tie, counts, all);
        if (tie && slot < ties) {
            keys[below + left - ties + slot] = own;
            places[below + left - ties + slot] = at;
        }
        ties -= min(all, ties);
    }
}

/// A block a line. `capacity`: a power of two, at least k; keys and places of so many lie in shared memory, `capacity` * (sizeof(Key) + 4) bytes.
extern "C" __global__ void top_k(const Input *x, Output *values, i64 *indices, int n, i64 inner, int k, int capacity, int largest) {
    wait_for_others();
    extern __shared__ u64 memory[];
    Key *keys = (Key *)memory;
    int *places = (int *)(keys + capacity);
    x += beginning(blockIdx.x, n, inner);
    for (int i = threadIdx.x; i < capacity; i += blockDim.x) {
        const bool inside = n <= capacity && i < n;
        keys[i] = inside ? key(x[i * inner], largest) : ~(Key)0;
        places[i] = inside ? i : 0x7fffffff;
    }
    __syncthreads();
    if (n > capacity) select(x, n, inner, k, largest, keys, places);
    for (int size = 2; size <= capacity; size *= 2)
        for (int distance = size / 2; distance; distance /= 2) {
            __syncthreads();
            for (int i = threadIdx.x; i < capacity / 2; i += blockDim.x) {
                const int low = 2 * i - (i & (distance - 1)), high = low + distance;
                const Key a = keys[low], b = keys[high];
                const int p = places[low], q = places[high];
                if ((a > b || (a == b && p > q)) == ((low & size) == 0)) {
                    keys[low] = b;
                    keys[high] = a;
                    places[low] = q;
                    places[high] = p;
                }
            }
        }
    __syncthreads();
    const i64 target = beginning(blockIdx.x, k, inner);
    for (int i = threadIdx.x; i < k; i += blockDim.x) {
        if (values) values[target + i * inner] = rounded<Output>(widen(x[places[i] * inner]));
        if (indices) indices[target + i * inner] = places[i];
    }
}
#endif

#if KIND > 2
DEVICE Value together(Value a, Value b) { return KIND == 3 ? a + b : a * b; }
#define NOTHING ((Value)(KIND == 3 ? 0 : 1))

/// A block a line of neighbours, four elements a thread at a time. `exclusive`: without the element itself; `reverse`: from the end.
extern "C" __global__ void cumulate_rows(const Input *x, Output *y, int n, int exclusive, int reverse) {
    wait_for_others();
    __shared__ alignas(16) Value warps[32];
    x += (i64)blockIdx.x * n;
    y += (i64)blockIdx.x * n;
    Value carry = NOTHING;
    for (int start = 0; start < n; start += 4 * blockDim.x) {
        const int first = start + 4 * threadIdx.x;
        Value v[4], sum = NOTHING;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            v[i] = first + i < n ? (Value)widen(x[reverse ? n - 1 - first - i : first + i]) : NOTHING;
            sum = together(sum, v[i]);
        }
        // What the lanes before this one have.
        Value until = sum;
#pragma unroll
        for (int distance = 1; distance < 32; distance *= 2) {
            const Value other = __shfl_up_sync(~0u, until, distance);
            if (threadIdx.x % 32 >= distance) until = together(other, until);
        }
        __syncthreads();
        if (threadIdx.x % 32 == 31) warps[threadIdx.x / 32] = until;
        __syncthreads();
        const Value lane = __shfl_up_sync(~0u, until, 1);
        Value total = carry;
        for (int warp = 0; warp < threadIdx.x / 32; warp++) total = together(total, warps[warp]);
        for (int warp = 0; warp < blockDim.x / 32; warp++) carry = together(carry, warps[warp]);
        if (threadIdx.x % 32) total = together(total, lane);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const Value next = together(total, v[i]);
            if (first + i < n) y[reverse ? n - 1 - first - i : first + i] = rounded<Output>(exclusive ? total : next);
            total = next;
        }
    }
}

/// A thread a line.
extern "C" __global__ void cumulate_strided(const Input *x, Output *y, int n, i64 lines, i64 inner, int exclusive, int reverse) {
    wait_for_others();
    const i64 line = blockIdx.x * (i64)blockDim.x + threadIdx.x;
    if (line >= lines) return;
    const i64 start = beginning(line, n, inner);
    Value total = NOTHING;
    for (int i = 0; i < n; i++) {
        const i64 at = start + (reverse ? n - 1 - i : i) * inner;
        const Value next = together(total, (Value)widen(x[at]));
        y[at] = rounded<Output>(exclusive ? total : next);
        total = next;
    }
}
#endif
