// The online softmax (Milakov and Gimelshein, 2018) of a warp's 16 rows, in the fragments of mma and wgmma: a thread has rows
// lane / 4 and lane / 4 + 8 and, of each eight columns, the two that begin at lane % 4 * 2.
#pragma once

/// N: keys of a tile.
template <int N> struct Softmax {
    int keys;         // of the batch item
    int position[2];  // of this thread's rows
    int column;       // this thread's first one in eight
    float top[2], sum[2];  // top: the same in the four threads of a row; sum: of this thread's columns
#if BIAS
    const bias_element *bias[2];  // of this thread's rows
    BiasPair added[2][N / 8];
#endif

    /// `first`, `second`: positions of this thread's rows.
    DEVICE void begin(int keys_of_item, int first, int second) {
        keys = keys_of_item;
        position[0] = first;
        position[1] = second;
        column = threadIdx.x % 4 * 2;
        top[0] = top[1] = MINUS_INFINITY;
        sum[0] = sum[1] = 0;
    }

    /// Begins to load the bias of the keys from `key` on.
    template <bool masked> DEVICE void fetch_bias(const AttentionParams &p, int key) {
#if BIAS
        key += column;
#pragma unroll
        for (int r = 0; r < 2; r++) {
#pragma unroll
            for (int j = 0; j < N / 8; j++) added[r][j] = load_bias(bias[r] + key + 8 * j, masked ? p.keys - key - 8 * j : 2);
        }
#endif
    }

    /// Turns products with the keys from `key` on into weights; what was summed before is to be multiplied by `shrink`.
    /// Without `masked` every row may see every key of the tile.
    template <bool masked> DEVICE void step(const AttentionParams &p, float (&s)[N / 2], int key, float (&shrink)[2]) {
        key += column;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            const int last = end_of_keys(p, keys, position[r]) - key, first = begin_of_keys(p, position[r]) - key;
            float most = MINUS_INFINITY;
#pragma unroll
            for (int j = 0; j < N / 8; j++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[4 * j + 2 * r + e];
#if BIAS
                    x = score_of(p, x, e ? added[r][j].high() : added[r][j].low());
#elif NATURAL
                    x = score_of(p, x, 0);
#endif
                    if (masked) {
                        if (8 * j + e >= last) x = MINUS_INFINITY;
                        if (LIMIT_LEFT && 8 * j + e < first) x = MINUS_INFINITY;
                    }
                    most = fmaxf(most, x);
                }
            }
            most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, 1));
            most = fmaxf(most, __shfl_xor_sync(0xffffffff, most, 2));
            const float old = top[r];
            top[r] = fmaxf(old, most);
            // Before a row's first allowed key its weights are exp(-inf - 0).
            const float base = top[r] == MINUS_INFINITY ? 0.0f : top[r];
            float total = 0;
#if NATURAL
            shrink[r] = exp2_fast((old - base) * LOG2E);
#else
            const float factor = p.scale * LOG2E, shift = base * factor;
            shrink[r] = exp2_fast(fmaf(old, factor, -shift));
#endif
#pragma unroll
            for (int j = 0; j < N / 8; j++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[4 * j + 2 * r + e];
#if NATURAL
                    x = exp2_fast((x - base) * LOG2E);
#else
                    x = exp2_fast(fmaf(x, factor, -shift));
#endif
                    total += x;
                }
            }
            sum[r] = fmaf(sum[r], shrink[r], total);
        }
    }

    /// What the sums of values are to be multiplied by at the end: 0 for a row without allowed keys.
    DEVICE void finish(float (&shrink)[2]) {
#pragma unroll
        for (int r = 0; r < 2; r++) {
            sum[r] += __shfl_xor_sync(0xffffffff, sum[r], 1);
            sum[r] += __shfl_xor_sync(0xffffffff, sum[r], 2);
            shrink[r] = sum[r] == 0 ? 0 : 1 / sum[r];
        }
    }
};

/// What weights relative to the maximum `top` are to be multiplied by to be relative to `other`, which is not less.
DEVICE float weight_of(const AttentionParams &p, float top, float other) {
    return top == MINUS_INFINITY ? 0 : exp2_fast((top - other) * (NATURAL ? LOG2E : p.scale * LOG2E));
}

/// o's rows times shrink.
template <int N> DEVICE void scale_rows(float (&o)[N], const float (&shrink)[2]) {
#pragma unroll
    for (int i = 0; i < N; i++) o[i] *= shrink[i / 2 % 2];
}

/// Weights as a product's left factor: four registers for each 16 keys.
template <int N> DEVICE void pack_weights(u32 (&weights)[N / 2], const float (&s)[N]) {
#pragma unroll
    for (int i = 0; i < N / 2; i++) weights[i] = pack(s[2 * i], s[2 * i + 1]);
}
