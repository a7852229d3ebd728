// Attention of any form, one block for each query row: heads of any size, every operand of its own type, past and new keys where they
// lie, and the scores themselves where they are asked for. For what the fast kernels do not take.
//
// Grid: rows (batch items * heads * queries), 256 threads; dynamic shared memory: (head_size + v_head_size) floats.
// In front of this text: elements.cuh.

struct PlainParams {
    const void *q, *k, *v;
    void *o;
    const void *bias, *past_k, *past_v;
    const i64 *lengths;  // [batch], cut to 0 ... keys; NULL: all keys
    void *scores;        // [batch, heads, queries, keys]; NULL: not asked for
    i64 q_batch, q_head, q_row, k_batch, k_head, k_row, v_batch, v_head, v_row, o_batch, o_head, o_row;
    i64 past_k_batch, past_k_head, past_k_row, past_v_batch, past_v_head, past_v_row;
    i64 bias_batch, bias_head, bias_row;
    int heads, group, queries, keys, past;  // keys: past and new ones
    int covered;                            // keys that the bias covers: the others are not allowed
    int head_size, v_head_size;
    int left, right;  // limits; 2^30: none
    int mode;         // of the scores. 0: scaled products, 1: behind the soft cap, 2: with the bias, 3: weights
    int q_type, k_type, v_type, o_type, bias_type, past_k_type, past_v_type, scores_type;  // 0: float16, 1: bfloat16, 2: float32, 3: bool
    float scale, softcap;
};

constexpr int THREADS = 256, WARPS = THREADS / 32, TILE = 256;

DEVICE float load_one(const void *from, i64 at, int type) {
    if (type == 2) return ((const float *)from)[at];
    return type == 0 ? widen(((const half *)from)[at]) : widen(((const bf16 *)from)[at]);
}
DEVICE void store_one(void *to, i64 at, int type, float x) {
    if (type == 2) ((float *)to)[at] = x;
    else if (type == 0) ((half *)to)[at] = narrow<half>(x);
    else ((bf16 *)to)[at] = narrow<bf16>(x);
}

/// `f` of all threads' values, for all of them.
template <typename F> DEVICE float reduce_block(float x, float *room, F f) {
#pragma unroll
    for (int i = 16; i; i /= 2) x = f(x, __shfl_xor_sync(0xffffffff, x, i));
    __syncthreads();
    if (threadIdx.x % 32 == 0) room[threadIdx.x / 32] = x;
    __syncthreads();
    x = room[0];
#pragma unroll
    for (int w = 1; w < WARPS; w++) x = f(x, room[w]);
    return x;
}

extern "C" __global__ void __launch_bounds__(THREADS) attention_plain(const __grid_constant__ PlainParams p) {
    wait_for_others();
    extern __shared__ float raw[];
    __shared__ float weights[TILE], room[WARPS];
    const float infinity = __int_as_float(0x7f800000);
    float *q = raw, *sums = raw + p.head_size;
    const int thread = threadIdx.x, warp = thread / 32, lane = thread % 32;
    const int query = blockIdx.x % p.queries, pair = blockIdx.x / p.queries;
    const int head = pair % p.heads, batch = pair / p.heads, kv_head = head / p.group;
    int valid = p.keys;
    if (p.lengths) {
        const i64 n = p.lengths[batch];
        valid = n < 0 ? 0 : n > p.keys ? p.keys : (int)n;
    }
    const int position = query + (p.lengths ? valid - p.queries : p.past);
    const i64 q_at = batch * p.q_batch + head * p.q_head + query * p.q_row;
    const i64 k_at = batch * p.k_batch + kv_head * p.k_head, v_at = batch * p.v_batch + kv_head * p.v_head;
    const i64 past_k_at = batch * p.past_k_batch + kv_head * p.past_k_head, past_v_at = batch * p.past_v_batch + kv_head * p.past_v_head;
    const i64 bias_at = batch * p.bias_batch + head * p.bias_head + query * p.bias_row;
    const i64 scores_at = ((i64)pair * p.queries + query) * p.keys;
    for (int i = thread; i < p.head_size; i += THREADS) q[i] = load_one(p.q, q_at + i, p.q_type);
    for (int i = thread; i < p.v_head_size; i += THREADS) sums[i] = 0;
    __syncthreads();

    float top = -infinity, total = 0;
    const auto score_tile = [&](int first, int count, bool shows) {
        for (int j = warp; j < count; j += WARPS) {
            const int key = first + j;
            const bool old = key < p.past;
            const void *from = old ? p.past_k : p.k;
            const i64 at = old ? past_k_at + key * p.past_k_row : k_at + (key - p.past) * p.k_row;
            const int type = old ? p.past_k_type : p.k_type;
            float s = 0;
            for (int i = lane; i < p.head_size; i += 32) s = fmaf(q[i], load_one(from, at + i, type), s);
#pragma unroll
            for (int i = 16; i; i /= 2) s += __shfl_xor_sync(0xffffffff, s, i);
            s *= p.scale;
            if (shows && p.mode == 0 && lane == 0) store_one(p.scores, scores_at + key, p.scores_type, s);
            if (p.softcap > 0) s = p.softcap * tanhf(s / p.softcap);
            if (shows && p.mode == 1 && lane == 0) store_one(p.scores, scores_at + key, p.scores_type, s);
            if (key >= valid || key >= p.covered || key - position > p.right || position - key > p.left) s = -infinity;
            else if (p.bias && p.bias_type == 3) s = ((const u8 *)p.bias)[bias_at + key] ? s : -infinity;
            else if (p.bias) s += load_one(p.bias, bias_at + key, p.bias_type);
            if (shows && p.mode == 2 && lane == 0) store_one(p.scores, scores_at + key, p.scores_type, s);
            if (lane == 0) weights[j] = s;
        }
    };
    for (int first = 0; first < p.keys; first += TILE) {
        const int count = min(TILE, p.keys - first);
        score_tile(first, count, p.scores != 0);
        __syncthreads();
        const float s = thread < count ? weights[thread] : -infinity;
        const float most = fmaxf(top, reduce_block(s, room, [](float a, float b) { return fmaxf(a, b); }));
        const float base = most == -infinity ? 0 : most;
        const float w = expf(s - base), shrink = expf(top - base);
        weights[thread] = w;
        total = total * shrink + reduce_block(w, room, [](float a, float b) { return a + b; });
        top = most;
        for (int i = thread; i < p.v_head_size; i += THREADS) {
            float sum = sums[i] * shrink;
            for (int j = 0; j < count; j++) {
                const int key = first + j;
                if (weights[j] == 0) continue;
                const float x = key < p.past ? load_one(p.past_v, past_v_at + key * p.past_v_row + i, p.past_v_type)
                                             : load_one(p.v, v_at + (key - p.past) * p.v_row + i, p.v_type);
                sum = fmaf(weights[j], x, sum);
            }
            sums[i] = sum;
        }
        __syncthreads();
    }
    const float factor = total == 0 ? 0 : 1 / total;
    const i64 o_at = batch * p.o_batch + head * p.o_head + query * p.o_row;
    for (int i = thread; i < p.v_head_size; i += THREADS) store_one(p.o, o_at + i, p.o_type, sums[i] * factor);
    if (!p.scores || p.mode != 3) return;
    for (int first = 0; first < p.keys; first += TILE) {
        const int count = min(TILE, p.keys - first);
        score_tile(first, count, false);
        __syncthreads();
        if (thread < count)
            store_one(p.scores, scores_at + first + thread, p.scores_type,
                      top == -infinity ? 0 : expf(weights[thread] - top) * factor);
        __syncthreads();
    }
}
