// Flash attention, forward, by mma.sync and cp.async: sm_80 and newer, any strides, float16, bfloat16 and float32.
//
// A block has 16 * ROW_TILES query rows for each of its WARPS and walks over tiles of KEYS keys from the last to the first
// (FlashAttention-2; Dao, 2023). K and V have one tile each in shared memory: the copy of one runs beside the work on the other.
// Grid: blocks of rows, heads, batch items.
//
// In front of this text: attention_common.cuh, online_softmax.cuh, matrix_sync.cuh.

#ifndef WARPS
#define WARPS 4
#endif
#ifndef ROW_TILES  // 2 reads each key once for 32 rows, but needs twice the registers
#define ROW_TILES 1
#endif
#ifndef KEYS  // of a tile, a multiple of 16
#define KEYS 64
#endif

constexpr int ROWS = 16 * ROW_TILES * WARPS, THREADS = 32 * WARPS;

extern "C" __global__ void __launch_bounds__(THREADS) attention_portable(const __grid_constant__ AttentionParams p) {
    wait_for_others();
    extern __shared__ __align__(16) u8 raw[];
    const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    const int head = blockIdx.y, kv_head = head / p.group, batch = blockIdx.z;
    const int row = (LIMIT_RIGHT ? gridDim.x - 1 - blockIdx.x : blockIdx.x) * ROWS;  // the longest first
    const int keys = key_count(p, batch), offset = first_position(p, keys);
    const u32 q_at = shared_address(raw), k_at = q_at + ROWS * PITCH, v_at = k_at + KEYS * PITCH;
    const element *k = (const element *)p.k + batch * p.k_batch + kv_head * p.k_head;
    const element *v = (const element *)p.v + batch * p.v_batch + kv_head * p.v_head;

    const int last = offset + min_of(row + ROWS, p.queries) - 1;
    const int begin = begin_of_keys(p, offset + row) / KEYS, end = (end_of_keys(p, keys, last) + KEYS - 1) / KEYS;
    const int whole_begin = (begin_of_keys(p, last) + KEYS - 1) / KEYS, whole_end = max_of(end_of_keys(p, keys, offset + row), 0) / KEYS;
    const int query = row + warp * 16 * ROW_TILES + lane / 4;
    Softmax<KEYS> soft[ROW_TILES];
    float o[ROW_TILES][HEAD_V / 2], shrink[2];
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
        soft[m].begin(keys, offset + query + 16 * m, offset + query + 16 * m + 8);
#if BIAS
        for (int r = 0; r < 2; r++) soft[m].bias[r] = bias_row(p, batch, head, min_of(query + 16 * m + 8 * r, p.queries - 1));
#endif
    }
    clear(o);

    const auto load_k = [&](int n) {
        copy_rows<HEAD, KEYS, PITCH, THREADS>(k_at, k + (i64)n * KEYS * p.k_row, p.k_row, keys - n * KEYS, p.head_size, thread);
        copies_commit();
    };
    if (end > begin) {
        copy_rows<HEAD, ROWS, PITCH, THREADS>(q_at, (const element *)p.q + batch * p.q_batch + head * p.q_head + row * p.q_row, p.q_row,
                                              p.queries - row, p.head_size, thread);
        load_k(end - 1);
    }
    for (int n = end - 1; n >= begin; n--) {
        copies_wait<0>();
        __syncthreads();  // K is there, and V's place is free
        copy_rows<HEAD_V, KEYS, PITCH_V, THREADS>(v_at, v + (i64)n * KEYS * p.v_row, p.v_row, keys - n * KEYS, p.v_head_size, thread);
        copies_commit();
        float s[ROW_TILES][KEYS / 2];
        multiply_keys<ROW_TILES, KEYS>(s, q_at + warp * 16 * ROW_TILES * PITCH, k_at);
        copies_wait<0>();
        __syncthreads();  // V is there, and K's place is free
        if (n > begin) load_k(n - 1);
#pragma unroll
        for (int m = 0; m < ROW_TILES; m++) {
            if (n >= whole_begin && n < whole_end) {
                soft[m].fetch_bias<false>(p, n * KEYS);
                soft[m].step<false>(p, s[m], n * KEYS, shrink);
            } else {
                soft[m].fetch_bias<true>(p, n * KEYS);
                soft[m].step<true>(p, s[m], n * KEYS, shrink);
            }
            scale_rows(o[m], shrink);
        }
        add_values<ROW_TILES, KEYS>(o, s, v_at);
    }
    element *out = (element *)p.o + batch * p.o_batch + head * p.o_head;
#pragma unroll
    for (int m = 0; m < ROW_TILES; m++) {
        soft[m].finish(shrink);
        scale_rows(o[m], shrink);
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int i = query + 16 * m + 8 * r;
            if (i >= p.queries) continue;
#pragma unroll
            for (int j = 0; j < HEAD_V / 8; j++) {
                const int column = 8 * j + lane % 4 * 2;
                store_pair(out + i * p.o_row + column, o[m][4 * j + 2 * r], o[m][4 * j + 2 * r + 1], p.v_head_size - column);
            }
        }
    }
}
