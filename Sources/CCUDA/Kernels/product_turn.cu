// Matrices [rows][columns] as [columns][rows], in another floating point type. Macros: SUM (the given type), RESULT.
// Launch: ceil(columns / 32) by ceil(rows / 32) (at most 65535) by matrices blocks of 32 by 8 threads.

extern "C" __global__ void __launch_bounds__(256) product_turn(const ByNumber<SUM>::type *from, result *to, i64 rows, i64 columns) {
    wait_for_others();
    from += blockIdx.z * rows * columns;
    to += blockIdx.z * rows * columns;
    __shared__ float tile[32][33];
    for (i64 row = blockIdx.y * 32; row < rows; row += gridDim.y * 32) {
        const i64 column = (i64)blockIdx.x * 32;
        for (int i = threadIdx.y; i < 32; i += 8)
            if (row + i < rows && column + threadIdx.x < columns)
                tile[i][threadIdx.x] = (float)widen(from[(row + i) * columns + column + threadIdx.x]);
        __syncthreads();
        for (int i = threadIdx.y; i < 32; i += 8)
            if (column + i < columns && row + threadIdx.x < rows)
                to[(column + i) * rows + row + threadIdx.x] = narrow<result>(tile[threadIdx.x][i]);
        __syncthreads();
    }
}
