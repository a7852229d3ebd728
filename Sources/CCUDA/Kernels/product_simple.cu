// Products of any element type by ordinary arithmetic: blocks of 64 rows and 64 columns, or (WIDE) 128 by 128. Factors may differ in type;
// sums are of SUM's. Macros: A, B, SUM, RESULT (types), A_TURNED (A is [k][m]), B_TURNED (B is [n][k]), WIDE, and those of Finish.
// Launch: ceil(n / tile) by ceil(m / tile) by batches blocks of 256 threads.

typedef ByNumber<SUM>::type sum_type;
#ifndef WIDE
#define WIDE 0
#endif
constexpr int TILE = WIDE ? 128 : 64, DEPTH = WIDE ? 8 : 16, EACH = TILE / 16;

/// A block of `TILE` by `DEPTH` elements into `to[depth][tile]`; zero where there is none.
template <int turned, typename T>
DEVICE void fetch(sum_type (&held)[TILE * DEPTH / 256], const T *from, i64 stride, int first, int count, int at, int k) {
#pragma unroll
    for (int i = 0; i < TILE * DEPTH / 256; i++) {
        const int index = threadIdx.x + i * 256;
        const int line = turned ? index % TILE : index / DEPTH, depth = turned ? index / TILE : index % DEPTH;
        const bool there = first + line < count && at + depth < k;
        held[i] = there ? (sum_type)widen(turned ? from[(i64)(at + depth) * stride + first + line] : from[(i64)(first + line) * stride + at + depth])
                        : (sum_type)0;
    }
}
template <int turned>
DEVICE void keep(sum_type (&to)[DEPTH][TILE + 4], const sum_type (&held)[TILE * DEPTH / 256]) {
#pragma unroll
    for (int i = 0; i < TILE * DEPTH / 256; i++) {
        const int index = threadIdx.x + i * 256;
        to[turned ? index / TILE : index % DEPTH][turned ? index % TILE : index / DEPTH] = held[i];
    }
}

extern "C" __global__ void __launch_bounds__(256)
product_simple(const ByNumber<A>::type *a, const ByNumber<B>::type *b, result *c, int m, int n, int k, i64 lda, i64 ldb, i64 a_batch,
               i64 b_batch, i64 c_batch, const Finish f) {
    wait_for_others();
    __shared__ sum_type left[2][DEPTH][TILE + 4], right[2][DEPTH][TILE + 4];
    a += blockIdx.z * a_batch;
    b += blockIdx.z * b_batch;
    c += blockIdx.z * c_batch;
    const int row = blockIdx.y * TILE, column = blockIdx.x * TILE;
    const int x = threadIdx.x % 16, y = threadIdx.x / 16;
    sum_type sums[EACH][EACH] = {};
    sum_type next_left[TILE * DEPTH / 256], next_right[TILE * DEPTH / 256];
    fetch<A_TURNED>(next_left, a, lda, row, m, 0, k);
    fetch<!B_TURNED>(next_right, b, ldb, column, n, 0, k);
    int stage = 0;
    for (int at = 0; at < k; at += DEPTH, stage ^= 1) {
        keep<A_TURNED>(left[stage], next_left);
        keep<!B_TURNED>(right[stage], next_right);
        __syncthreads();
        fetch<A_TURNED>(next_left, a, lda, row, m, at + DEPTH, k);
        fetch<!B_TURNED>(next_right, b, ldb, column, n, at + DEPTH, k);
#pragma unroll
        for (int d = 0; d < DEPTH; d++) {
            sum_type l[EACH], r[EACH];
#pragma unroll
            for (int i = 0; i < EACH; i++) l[i] = left[stage][d][y * 4 + i / 4 * 64 + i % 4];
#pragma unroll
            for (int j = 0; j < EACH; j++) r[j] = right[stage][d][x * 4 + j / 4 * 64 + j % 4];
#pragma unroll
            for (int i = 0; i < EACH; i++)
#pragma unroll
                for (int j = 0; j < EACH; j++) sums[i][j] += l[i] * r[j];
        }
    }
#pragma unroll
    for (int i = 0; i < EACH; i++) {
        const int to = row + y * 4 + i / 4 * 64 + i % 4;
        if (to >= m) continue;
#pragma unroll
        for (int j = 0; j < EACH; j++) {
            const int at = column + x * 4 + j / 4 * 64 + j % 4;
            if (at < n) c[(i64)to * n + at] = Give<result, sum_type>::of(finish(f, sums[i][j], to, at));
        }
    }
}
