// Behind a library's product: c = finish(sums), in place where both types have one size; and rows in another type. Macros: SUM (type of the
// sums), RESULT, and those of Finish. Launch: ceil(n / 256) by ceil(m / 4) blocks (at most 65535) of 64 by 4 threads.

typedef ByNumber<SUM>::type sum_type;

extern "C" __global__ void __launch_bounds__(256)
product_finish(const sum_type *sums, result *c, i64 m, int n, const Finish f) {
    wait_for_others();
    const int column = (blockIdx.x * 64 + threadIdx.x) * 4;
    if (column >= n) return;
    for (i64 row = blockIdx.y * 4 + threadIdx.y; row < m; row += gridDim.y * 4) {
        const i64 at = row * n + column;
        if (n % 4 == 0) {
            const Pack<sum_type, 4> x = *(const Pack<sum_type, 4> *)(sums + at);
            Pack<result, 4> y;
#pragma unroll
            for (int i = 0; i < 4; i++) y.at[i] = narrow<result>(finish(f, (float)widen(x.at[i]), row, column + i));
            *(Pack<result, 4> *)(c + at) = y;
        } else {
            for (int i = 0; i < 4 && column + i < n; i++)
                c[at + i] = narrow<result>(finish(f, (float)widen(sums[at + i]), row, column + i));
        }
    }
}

/// Elements in another type. Launch: any number of blocks of 256 threads.
extern "C" __global__ void __launch_bounds__(256) product_cast(const sum_type *from, result *to, i64 count) {
    wait_for_others();
    for (i64 at = (i64)(blockIdx.x * 256 + threadIdx.x) * 4; at < count; at += (i64)gridDim.x * 1024) {
        if (at + 4 <= count) {
            const Pack<sum_type, 4> x = *(const Pack<sum_type, 4> *)(from + at);
            Pack<result, 4> y;
#pragma unroll
            for (int i = 0; i < 4; i++) y.at[i] = narrow<result>((float)widen(x.at[i]));
            *(Pack<result, 4> *)(to + at) = y;
        } else {
            for (i64 i = at; i < count; i++) to[i] = narrow<result>((float)widen(from[i]));
        }
    }
}
