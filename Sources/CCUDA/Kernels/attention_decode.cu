// Attention of few queries over long caches. float16, bfloat16, float32; sm_80 and newer.
//
// The rows of a block are up to 16 * ROW_WARPS of the group * queries rows that share a head of K and V, so that each key is loaded
// once for them. Keys are split into parts (flash decoding; Dao et al., 2023), one a block, and a part's tiles among the block's
// teams of ROW_WARPS warps. A team has its own ring of STAGES tiles in shared memory and waits for no other until the end, when the
// block joins its teams' sums. With one part the block writes the result; with more it writes sums, and attention_combine joins them.
//
// attention_decode: grid (splits * blocks of rows, heads of K and V, batch items).
// attention_combine: grid (queries, heads of Q, batch items), 128 threads; at most 512 splits.
// p.partial: for each row ((batch * heads + head) * queries + query) and split: v_head_size sums of weighted values; behind all of
// those, for each row and split, the maximum and the sum of weights. rows * splits * (v_head_size + 2) floats.
//
// In front of this text: attention_common.cuh, online_softmax.cuh, matrix_sync.cuh.

#ifndef WARPS
#define WARPS 4
#endif
#ifndef ROW_WARPS  // warps of a team, each with 16 rows; divides WARPS
#define ROW_WARPS 1
#endif
#ifndef KEYS  // of a team's tile, a multiple of 16
#define KEYS 16
#endif
#ifndef STAGES
#define STAGES 4
#endif

constexpr int THREADS = 32 * WARPS, TEAMS = WARPS / ROW_WARPS, ROWS = 16 * ROW_WARPS;
constexpr int K_BYTES = KEYS * PITCH, V_BYTES = KEYS * PITCH_V, STAGE_BYTES = K_BYTES + V_BYTES;
constexpr int SUMS = HEAD_V + 4;  // floats from row to row where the warps' sums meet

DEVICE void team_sync(int team) {
    if (ROW_WARPS == 1) {
        __syncwarp();
    } else {
        asm volatile("bar.sync %0, %1;" ::"r"(1 + team), "n"(32 * ROW_WARPS) : "memory");
    }
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_decode(const __grid_constant__ AttentionParams p) {
    wait_for_others();
    extern __shared__ __align__(16) u8 raw[];
    const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32, team = warp / ROW_WARPS;
    const int split = blockIdx.x % p.splits, kv_head = blockIdx.y, batch = blockIdx.z;
    const int first_row = blockIdx.x / p.splits * ROWS, own_row = warp % ROW_WARPS * 16;
    const int rows = p.group * p.queries;  // row r: query r % queries of head r / queries of the group
    const int keys = key_count(p, batch), offset = first_position(p, keys);
    const element *k = (const element *)p.k + batch * p.k_batch + kv_head * p.k_head;
    const element *v = (const element *)p.v + batch * p.v_batch + kv_head * p.v_head;

    // This part's keys, less what no row may see.
    const int begin = max_of(split * p.split_keys, begin_of_keys(p, offset)) / KEYS * KEYS;
    const int end = min_of((split + 1) * p.split_keys, end_of_keys(p, keys, offset + p.queries - 1));
    const u32 q_at = shared_address(raw), ring = q_at + ROWS * PITCH + team * STAGES * STAGE_BYTES;
    const int member = thread % (32 * ROW_WARPS);
    const auto load = [&](int key, int stage) {
        const u32 to = ring + stage * STAGE_BYTES;
        if (key < end) {
            copy_rows<HEAD, KEYS, PITCH, 32 * ROW_WARPS>(to, k + key * p.k_row, p.k_row, end - key, p.head_size, member);
            copy_rows<HEAD_V, KEYS, PITCH_V, 32 * ROW_WARPS>(to + K_BYTES, v + key * p.v_row, p.v_row, end - key, p.v_head_size, member);
        }
        copies_commit();
    };
    // Q: one row at a time, for its rows have no common stride.
    for (int r = warp; r < ROWS; r += WARPS) {
        const int row = first_row + r, query = row % p.queries, head = kv_head * p.group + row / p.queries;
        const i64 from = row < rows ? batch * p.q_batch + head * p.q_head + query * p.q_row : 0;
        copy_rows<HEAD, 1, PITCH, 32>(q_at + r * PITCH, (const element *)p.q + from, 0, row < rows, p.head_size, lane);
    }
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) load(begin + (team + i * TEAMS) * KEYS, i);
    copies_wait<STAGES - 2>();
    __syncthreads();

    const int mine[2] = {min_of(first_row + own_row + lane / 4, rows - 1), min_of(first_row + own_row + lane / 4 + 8, rows - 1)};
    Softmax<KEYS> soft;
    soft.begin(keys, offset + mine[0] % p.queries, offset + mine[1] % p.queries);
#if BIAS
    for (int r = 0; r < 2; r++) soft.bias[r] = bias_row(p, batch, kv_head * p.group + mine[r] / p.queries, mine[r] % p.queries);
#endif
    float o[1][HEAD_V / 2], shrink[2];
#pragma unroll
    for (int i = 0; i < HEAD_V / 2; i++) o[0][i] = 0;
    int stage = 0, filled = STAGES - 1;
    for (int key = begin + team * KEYS; key < end; key += TEAMS * KEYS) {
        copies_wait<STAGES - 2>();
        team_sync(team);  // the tile is there, and all are done with the one before
        load(key + (STAGES - 1) * TEAMS * KEYS, filled);
        const u32 at = ring + stage * STAGE_BYTES;
        float s[1][KEYS / 2];
        soft.fetch_bias<true>(p, key);
        multiply_keys<1, KEYS>(s, q_at + own_row * PITCH, at);
        soft.step<true>(p, s[0], key, shrink);
        scale_rows(o[0], shrink);
        add_values<1, KEYS>(o, s, at + K_BYTES);
        filled = stage;
        stage = stage + 1 == STAGES ? 0 : stage + 1;
    }

    // Join the teams: rows of sums and their maxima and sums of weights, in the place of the rings.
    copies_wait<0>();
    __syncthreads();
    float *sums = (float *)raw, *tops = sums + WARPS * 16 * SUMS, *totals = tops + WARPS * 16;  // row r of team t: t * ROWS + r
    soft.finish(shrink);
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int row = warp * 16 + lane / 4 + 8 * r;
#pragma unroll
        for (int j = 0; j < HEAD_V / 8; j++) {
            sums[row * SUMS + 8 * j + lane % 4 * 2] = o[0][4 * j + 2 * r];
            sums[row * SUMS + 8 * j + lane % 4 * 2 + 1] = o[0][4 * j + 2 * r + 1];
        }
        if (lane % 4 == 0) {
            tops[row] = soft.top[r];
            totals[row] = soft.sum[r];
        }
    }
    __syncthreads();
    for (int i = thread; i < ROWS * HEAD_V; i += THREADS) {
        const int r = i / HEAD_V, column = i % HEAD_V, row = first_row + r;
        if (row >= rows || column >= p.v_head_size) continue;
        float top = MINUS_INFINITY, total = 0, sum = 0;
#pragma unroll
        for (int t = 0; t < TEAMS; t++) top = fmaxf(top, tops[t * ROWS + r]);
#pragma unroll
        for (int t = 0; t < TEAMS; t++) {
            const float factor = weight_of(p, tops[t * ROWS + r], top);
            total += factor * totals[t * ROWS + r];
            sum += factor * sums[(t * ROWS + r) * SUMS + column];
        }
        const int query = row % p.queries, head = kv_head * p.group + row / p.queries;
        if (p.splits == 1) {
            store_one((element *)p.o + batch * p.o_batch + head * p.o_head + query * p.o_row + column, total == 0 ? 0 : sum / total);
        } else {
            const i64 at = (((i64)batch * p.heads + head) * p.queries + query) * p.splits + split;
            p.partial[at * p.v_head_size + column] = sum;
            if (column == 0) {
                float *ends = p.partial + (i64)p.batch * p.heads * p.queries * p.splits * p.v_head_size + at * 2;
                ends[0] = top;
                ends[1] = total;
            }
        }
    }
}

constexpr int COMBINE_THREADS = 128, MOST_SPLITS = 512;

/// `f` of all threads' values, for all of them. `room`: a float for each warp.
template <typename F> DEVICE float reduce_block(float x, float *room, F f) {
#pragma unroll
    for (int i = 16; i; i /= 2) x = f(x, __shfl_xor_sync(0xffffffff, x, i));
    __syncthreads();
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    x = room[0];
#pragma unroll
    for (int w = 1; w < COMBINE_THREADS / 32; w++) x = f(x, room[w]);
    return x;
}

extern "C" __global__ void __launch_bounds__(COMBINE_THREADS) attention_combine(const __grid_constant__ AttentionParams p) {
    wait_for_others();
    __shared__ float weights[MOST_SPLITS], room[COMBINE_THREADS / 32];
    const int query = blockIdx.x, head = blockIdx.y, batch = blockIdx.z, thread = threadIdx.x;
    const i64 at = (((i64)batch * p.heads + head) * p.queries + query) * p.splits;
    const float *ends = p.partial + (i64)p.batch * p.heads * p.queries * p.splits * p.v_head_size + at * 2;
    float top = MINUS_INFINITY, total = 0;
    for (int s = thread; s < p.splits; s += COMBINE_THREADS) top = fmaxf(top, weights[s] = ends[2 * s]);
    top = reduce_block(top, room, [](float a, float b) { return fmaxf(a, b); });
    for (int s = thread; s < p.splits; s += COMBINE_THREADS) {
        weights[s] = weight_of(p, weights[s], top);
        total += weights[s] * ends[2 * s + 1];
    }
    total = reduce_block(total, room, [](float a, float b) { return a + b; });
    for (int column = thread; column < p.v_head_size; column += COMBINE_THREADS) {
        float sum = 0;
#pragma unroll 8
        for (int s = 0; s < p.splits; s++) sum += weights[s] * p.partial[(at + s) * p.v_head_size + column];
        store_one((element *)p.o + batch * p.o_batch + head * p.o_head + query * p.o_row + column, total == 0 ? 0 : sum / total);
    }
}
