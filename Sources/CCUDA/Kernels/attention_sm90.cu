// Flash attention, forward, for Hopper (sm_90a): float16 or bfloat16 in and out, fp32 sums.
//
// One producer warp copies tiles of Q, K and V by TMA; CONSUMERS warpgroups of 64 query rows each compute. As in FlashAttention-3
// (Shah et al., 2024): a warpgroup issues the scores of the next tile together with the values of this one and computes the
// softmax of the former while the latter or another warpgroup's products run. Scores are never stored; a weight is rounded to the
// element type before it meets V.
//
// In front of this text: attention_common.cuh, online_softmax.cuh, bulk_copy.cuh, wgmma.cuh.

#ifndef CONSUMERS  // warpgroups, 1 ... 3
#define CONSUMERS 2
#endif
#ifndef KEYS  // of a tile, a multiple of 16, at most 256
#define KEYS 128
#endif
#ifndef STAGES  // tiles of K, and of V, in shared memory
#define STAGES 2
#endif
#ifndef Q_STAGES  // tiles of Q; with 2 the next one is loaded while this one is worked on
#define Q_STAGES 1
#endif
#ifndef DYNAMIC  // 1: blocks take their next tile from a counter, as they become free
#define DYNAMIC 0
#endif
#ifndef TAKE_TURNS  // 1: the warpgroups issue their products in turn; they must then have the same tiles of keys
#define TAKE_TURNS (CONSUMERS == 3 && !LIMIT_LEFT && !LIMIT_RIGHT)
#endif

constexpr int ROWS = 64 * CONSUMERS;
// Rows in shared memory are swizzled and ATOM elements long; a wider tile is several such columns, one after the other.
constexpr int ATOM = HEAD % 64 == 0 && HEAD_V % 64 == 0 ? 64 : 32;
constexpr int ROW_BYTES = 2 * ATOM;
constexpr int WIDEST = HEAD > HEAD_V ? HEAD : HEAD_V;
constexpr int Q_BYTES = ROWS * WIDEST * 2, K_BYTES = KEYS * HEAD * 2, V_BYTES = KEYS * HEAD_V * 2;
constexpr int THREADS = 128 * (CONSUMERS + 1);
static_assert(HEAD % 32 == 0 && HEAD_V % 32 == 0 && KEYS % 16 == 0 && (KEYS * ROW_BYTES) % 1024 == 0, "sizes of tiles");
static_assert(!TAKE_TURNS || (CONSUMERS > 1 && !LIMIT_LEFT && !LIMIT_RIGHT), "turns");

/// What lies in shared memory: Q_STAGES tiles of Q (later of O), STAGES tiles of K, as many of V, barriers, numbers of tiles.
struct Shared {
    u32 at;
    DEVICE u32 q(int stage) const { return at + stage * Q_BYTES; }
    DEVICE u32 k(int stage) const { return at + Q_STAGES * Q_BYTES + stage * K_BYTES; }
    DEVICE u32 v(int stage) const { return at + Q_STAGES * Q_BYTES + STAGES * K_BYTES + stage * V_BYTES; }
    DEVICE u32 barrier(int i) const { return at + Q_STAGES * Q_BYTES + STAGES * (K_BYTES + V_BYTES) + 8 * i; }
    DEVICE u32 k_full(int stage) const { return barrier(stage); }
    DEVICE u32 k_empty(int stage) const { return barrier(STAGES + stage); }
    DEVICE u32 v_full(int stage) const { return barrier(2 * STAGES + stage); }
    DEVICE u32 v_empty(int stage) const { return barrier(3 * STAGES + stage); }
    DEVICE u32 q_full(int stage) const { return barrier(4 * STAGES + stage); }
    DEVICE u32 q_empty(int stage) const { return barrier(4 * STAGES + Q_STAGES + stage); }
    DEVICE u32 tile(int stage) const { return barrier(4 * STAGES + 2 * Q_STAGES) + 4 * stage; }  // number of the tile in q(stage)
};

/// A place in a ring of stages, and the parity of the round.
template <int stages> struct Place {
    int stage = 0;
    u32 parity = 0;
    DEVICE void advance() {
        if (++stage == stages) {
            stage = 0;
            parity ^= 1;
        }
    }
};

struct Tile {
    int batch, head, row;  // row: first query
    int keys, offset;      // of the batch item
    int begin, end;        // tiles of keys; end <= begin: none
};

/// Sections of heads, in each the blocks of rows (the longest first, where causality makes some shorter), in each the heads: what
/// runs at the same time shares K and V in the L2 cache, and the last tiles to start are the short ones.
DEVICE Tile tile_at(const AttentionParams &p, int index) {
    const int blocks = (p.queries + ROWS - 1) / ROWS, pairs = p.batch * p.heads;
    const int section = index / (blocks * p.section), rest = index - section * blocks * p.section;
    const int wide = min_of(p.section, pairs - section * p.section);
    const int block = rest / wide, pair = section * p.section + rest - block * wide;
    Tile t;
    t.batch = pair / p.heads;
    t.head = pair - t.batch * p.heads;
    t.row = (LIMIT_RIGHT ? blocks - 1 - block : block) * ROWS;
    t.keys = key_count(p, t.batch);
    t.offset = first_position(p, t.keys);
    const int last = t.offset + min_of(t.row + ROWS, p.queries) - 1;
    t.begin = begin_of_keys(p, t.offset + t.row) / KEYS;
    t.end = (end_of_keys(p, t.keys, last) + KEYS - 1) / KEYS;
    return t;
}

template <int height> DEVICE void copy_tile(u32 to, const TensorMap *map, u32 barrier, int width, int row, int head, int batch) {
    for (int c = 0; c < width / ATOM; c++) copy_in(to + c * height * ROW_BYTES, map, barrier, c * ATOM, row, head, batch);
}

DEVICE void produce(const TensorMap *q, const TensorMap *k, const TensorMap *v, const AttentionParams &p, Shared at, int tiles) {
    Place<STAGES> kp, vp;
    Place<Q_STAGES> qp;
    for (int index = blockIdx.x;;) {
        const bool more = index < tiles;
        const Tile t = tile_at(p, more ? index : 0);
        const int kv_head = t.head / p.group;
        const auto load_k = [&](int n) {
            barrier_wait(at.k_empty(kp.stage), kp.parity ^ 1);
            barrier_expect(at.k_full(kp.stage), K_BYTES);
            copy_tile<KEYS>(at.k(kp.stage), k, at.k_full(kp.stage), HEAD, n * KEYS, kv_head, t.batch);
            kp.advance();
        };
        const auto load_v = [&](int n) {
            barrier_wait(at.v_empty(vp.stage), vp.parity ^ 1);
            barrier_expect(at.v_full(vp.stage), V_BYTES);
            copy_tile<KEYS>(at.v(vp.stage), v, at.v_full(vp.stage), HEAD_V, n * KEYS, kv_head, t.batch);
            vp.advance();
        };
        if (more && t.end > t.begin) load_k(t.end - 1);
        barrier_wait(at.q_empty(qp.stage), qp.parity ^ 1);
        store_shared(at.tile(qp.stage), more ? index : -1);
        if (!more) {
            barrier_arrive(at.q_full(qp.stage));
            break;
        }
        barrier_expect(at.q_full(qp.stage), ROWS * HEAD * 2);
        copy_tile<ROWS>(at.q(qp.stage), q, at.q_full(qp.stage), HEAD, t.row, t.head, t.batch);
        qp.advance();
#if DYNAMIC
        const int next = atomicAdd(p.counters, 1) + gridDim.x;
#else
        const int next = index + gridDim.x;
#endif
        for (int n = t.end - 1; n > t.begin; n--) {
            load_k(n - 1);
            load_v(n);
        }
        if (t.end > t.begin) load_v(t.begin);
        index = next;
    }
#if DYNAMIC
    // The last block to get here leaves the counters as the next launch wants them.
    if (atomicInc((u32 *)p.counters + 1, gridDim.x - 1) == gridDim.x - 1) atomicExch(p.counters, 0);
#endif
}

DEVICE u64 descriptor(u32 address, int leading_bytes) {
    return (u64)(address >> 4) | (u64)(leading_bytes >> 4) << 16 | (u64)(8 * ROW_BYTES >> 4) << 32 | (ATOM == 64 ? 1ull : 2ull) << 62;
}

/// s = q kT, not waited for.
DEVICE void issue_scores(float (&s)[KEYS / 2], u64 q, u64 k) {
#pragma unroll
    for (int d = 0; d < HEAD; d += 16)
        Wgmma<KEYS>::multiply(s, q + ((d / ATOM * ROWS * ROW_BYTES + d % ATOM * 2) >> 4),
                              k + ((d / ATOM * KEYS * ROW_BYTES + d % ATOM * 2) >> 4), d != 0);
    wgmma_commit();
}

/// o += weights v, not waited for.
DEVICE void issue_values(float (&o)[HEAD_V / 2], const u32 (&weights)[KEYS / 4], u64 v) {
#pragma unroll
    for (int n = 0; n < KEYS; n += 16) Wgmma<HEAD_V>::multiply_registers(o, weights + n / 4, v + (n * ROW_BYTES >> 4), 1);
    wgmma_commit();
}

/// The work of one warpgroup: its 64 rows of each tile.
DEVICE void consume(const TensorMap *o_map, const AttentionParams &p, Shared at) {
    // Reductions give the compiler numbers in uniform registers, and with them uniform branches, stages and descriptors. Without
    // that it may move descriptors between wgmmas (a quarter slower) or put a wait behind each.
    const int group = __reduce_or_sync(0xffffffff, threadIdx.x / 128 - 1);
    const int thread = threadIdx.x % 128, warp = thread / 32, lane = thread % 32;
    const u64 k = descriptor(at.k(0), 16), v = descriptor(at.v(0), KEYS * ROW_BYTES);
    const int own = 1 + group, turn = 4 + group, next_turn = 4 + (group + 1) % CONSUMERS;  // named barriers
    if (TAKE_TURNS && group == CONSUMERS - 1) named_arrive(next_turn, 256);
    Place<STAGES> kp, vp;
    Place<Q_STAGES> qp;
    const auto free_k = [&] {
        if (lane == 0) barrier_arrive(at.k_empty(kp.stage));
        kp.advance();
    };
    const auto free_v = [&] {
        if (lane == 0) barrier_arrive(at.v_empty(vp.stage));
        vp.advance();
    };
    for (;; qp.advance()) {
        barrier_wait(at.q_full(qp.stage), qp.parity);
        const int index = __reduce_or_sync(0xffffffff, load_shared(at.tile(qp.stage)));
        if (index < 0) break;
        const Tile t = tile_at(p, index);
        const int row = t.row + group * 64;
        const u32 q_at = at.q(qp.stage) + group * 64 * ROW_BYTES;
        const u64 q = descriptor(q_at, 16);
        const int query = row + warp * 16 + lane / 4;
        Softmax<KEYS> soft;
        soft.begin(t.keys, t.offset + query, t.offset + query + 8);
#if BIAS
        for (int r = 0; r < 2; r++) soft.bias[r] = bias_row(p, t.batch, t.head, min_of(query + 8 * r, p.queries - 1));
#endif
        float o[HEAD_V / 2];
#pragma unroll
        for (int i = 0; i < HEAD_V / 2; i++) o[i] = 0;
        // Tiles of keys of this warpgroup, of the block's: [begin, end). Those that all its rows see whole: [whole_begin, whole_end).
        const int first = t.offset + row, last = t.offset + min_of(row + 63, p.queries - 1);
        const int begin = max_of(t.begin, begin_of_keys(p, first) / KEYS);
        const int end = min_of(t.end, (end_of_keys(p, t.keys, last) + KEYS - 1) / KEYS);
        const int whole_begin = (begin_of_keys(p, last) + KEYS - 1) / KEYS;
        const int whole_end = max_of(end_of_keys(p, t.keys, first), 0) / KEYS;
        int n = t.end - 1;  // the tile whose scores are to be computed
        const auto skip = [&] {
            barrier_wait(at.k_full(kp.stage), kp.parity);
            free_k();
            barrier_wait(at.v_full(vp.stage), vp.parity);
            free_v();
            n--;
        };
        if (LIMIT_RIGHT)
            while (n >= t.begin && (n >= end || end <= begin)) skip();
        if (n >= begin) {
            float s[KEYS / 2], shrink[2];
            u32 weights[KEYS / 4];
            barrier_wait(at.k_full(kp.stage), kp.parity);
            wgmma_fence();
            issue_scores(s, q, k + (kp.stage * K_BYTES >> 4));
            soft.fetch_bias<true>(p, n * KEYS);
            wgmma_wait<0>();
            hold(s);
            free_k();
            soft.step<true>(p, s, n * KEYS, shrink);
            pack_weights(weights, s);
            n--;
            // Scores of tile n beside values of tile n + 1.
            const auto step = [&](auto masked) {
                barrier_wait(at.k_full(kp.stage), kp.parity);
                if (TAKE_TURNS) named_sync(turn, 256);
                wgmma_fence();
                issue_scores(s, q, k + (kp.stage * K_BYTES >> 4));
                barrier_wait(at.v_full(vp.stage), vp.parity);
                issue_values(o, weights, v + (vp.stage * V_BYTES >> 4));
                if (TAKE_TURNS) named_arrive(next_turn, 256);
                soft.template fetch_bias<masked.value>(p, n * KEYS);
                wgmma_wait<1>();
                hold(s);
                free_k();
                soft.template step<masked.value>(p, s, n * KEYS, shrink);
                wgmma_wait<0>();
                hold(o);
                free_v();
                pack_weights(weights, s);
                scale_rows(o, shrink);
                n--;
            };
            if (LIMIT_RIGHT)
                while (n >= begin && n >= whole_end) step(Flag<true>{});
            if (LIMIT_LEFT) {
                while (n >= begin && n >= whole_begin) step(Flag<false>{});
                while (n >= begin) step(Flag<true>{});
            } else {
                while (n >= begin) step(Flag<false>{});
            }
            barrier_wait(at.v_full(vp.stage), vp.parity);
            wgmma_fence();
            issue_values(o, weights, v + (vp.stage * V_BYTES >> 4));
            soft.finish(shrink);
            wgmma_wait<0>();
            hold(o);
            free_v();
            scale_rows(o, shrink);
        }
        if (LIMIT_LEFT)
            while (n >= t.begin) skip();
        // The result takes the place of this warpgroup's rows of Q, which all its warps have read by now.
        named_sync(own, 128);
        const int at_row = warp * 16 + lane % 16;
#pragma unroll
        for (int c = 0; c < HEAD_V; c += 16) {
            const int chunk = c % ATOM / 8 + lane / 16;
            const int swizzled = chunk ^ (ATOM == 64 ? at_row % 8 : at_row / 2 % 4);
            store_matrices(q_at + c / ATOM * ROWS * ROW_BYTES + at_row * ROW_BYTES + swizzled * 16, pack(o[c / 2], o[c / 2 + 1]),
                           pack(o[c / 2 + 2], o[c / 2 + 3]), pack(o[c / 2 + 4], o[c / 2 + 5]), pack(o[c / 2 + 6], o[c / 2 + 7]));
        }
        fence_async();
        named_sync(own, 128);
        if (thread == 0) {
            if (row < p.queries) {
                for (int c = 0; c < HEAD_V / ATOM; c++)
                    copy_out(o_map, q_at + c * ROWS * ROW_BYTES, c * ATOM, row, t.head, t.batch);
                copy_out_commit();
                copy_out_wait_read();
            }
            barrier_arrive(at.q_empty(qp.stage));
        }
    }
    if (thread == 0) copy_out_wait();
}

extern "C" __global__ void __launch_bounds__(THREADS, 1)
attention_sm90(const __grid_constant__ TensorMap q, const __grid_constant__ TensorMap k, const __grid_constant__ TensorMap v,
               const __grid_constant__ TensorMap o, const __grid_constant__ AttentionParams p) {
    extern __shared__ u8 raw[];
    const Shared at{(shared_address(raw) + 1023) & ~1023u};
    const int tiles = (p.queries + ROWS - 1) / ROWS * p.batch * p.heads;
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            barrier_init(at.k_full(i), 1);
            barrier_init(at.k_empty(i), 4 * CONSUMERS);
            barrier_init(at.v_full(i), 1);
            barrier_init(at.v_empty(i), 4 * CONSUMERS);
        }
        for (int i = 0; i < Q_STAGES; i++) {
            barrier_init(at.q_full(i), 1);
            barrier_init(at.q_empty(i), CONSUMERS);
        }
        barrier_init_fence();
        prefetch_map(&q);
        prefetch_map(&k);
        prefetch_map(&v);
        prefetch_map(&o);
    }
    wait_for_others();
    __syncthreads();
    if (threadIdx.x < 128) {
        shrink_registers<CONSUMERS == 3 ? 32 : 24>();
        if (threadIdx.x == 0) produce(&q, &k, &v, p, at, tiles);
    } else {
        grow_registers<CONSUMERS == 3 ? 160 : 240>();
        consume(&o, p, at);
    }
}
