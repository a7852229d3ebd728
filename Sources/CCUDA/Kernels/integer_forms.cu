// 8-bit matrices in the form that products read, and their sums. Macros: IS_SIGNED, TURNED (B is given as [n][k]).

/// B of [k][n], or TURNED [n][k], as [n][pitch], filled up with zeros, and the sums of its columns. Launch: ceil(n / 32) by 1 by matrices
/// blocks of 32 by 8 threads.
extern "C" __global__ void __launch_bounds__(256)
integer_turn(const u8 *from, u8 *to, int *sums, int n, int k, int pitch, i64 from_batch, i64 to_batch) {
    wait_for_others();
    __shared__ u8 tile[32][36];
    from += blockIdx.z * from_batch;
    to += blockIdx.z * to_batch;
    const int x = threadIdx.x, y = threadIdx.y, column = blockIdx.x * 32;
    int totals[4] = {};
    for (int at = 0; at < pitch; at += 32) {
        for (int i = y; i < 32; i += 8) {
            // tile[column][k]
            const int c = TURNED ? i : x, d = TURNED ? x : i;
            tile[c][d] = column + c < n && at + d < k ? from[TURNED ? (i64)(column + c) * k + at + d : (i64)(at + d) * n + column + c] : 0;
        }
        __syncthreads();
        for (int i = 0; i < 4; i++) {
            const int c = y + 8 * i;
            const u8 code = tile[c][x];
            totals[i] += IS_SIGNED ? (int)(i8)code : (int)code;
            if (column + c < n && at + x < pitch) to[(i64)(column + c) * pitch + at + x] = code;
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; i++) {
        int sum = totals[i];
        for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
        if (x == 0 && column + y + 8 * i < n) sums[(i64)blockIdx.z * n + column + y + 8 * i] = sum;
    }
}

/// Sums of rows. Launch: ceil(rows / 8) blocks of 32 by 8 threads.
extern "C" __global__ void __launch_bounds__(256) integer_sums(const u8 *from, int *sums, i64 rows, int k) {
    wait_for_others();
    const i64 row = (i64)blockIdx.x * 8 + threadIdx.y;
    if (row >= rows) return;
    int sum = 0;
    for (int at = threadIdx.x; at < k; at += 32) sum += IS_SIGNED ? (int)(i8)from[row * k + at] : (int)from[row * k + at];
    for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
    if (threadIdx.x == 0) sums[row] = sum;
}
