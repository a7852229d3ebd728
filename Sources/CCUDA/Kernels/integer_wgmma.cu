// Products of 8-bit matrices A [m][k] and B [n][pitch] by wgmma (sm_90a only), exact int32 sums. Macros: ELEMENT 4, STAGES, and those of IntegerFinish.
// In front: product_tiles.cuh, bulk_copy.cuh, wgmma.cuh, wgmma_tile.cuh, which has the maps, integer_finish.cuh.
// Launch: ceil(n / 128) * ceil(m / 128) by 1 by batches blocks of 288 threads.

struct WgmmaIntegers {
    result *c;
    int m, n, k, a_batches, b_batches;
    i64 c_batch, sums_batch;
    IntegerFinish finish;
};

extern "C" __global__ void __launch_bounds__(288, 2)
integer_wgmma(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const __grid_constant__ WgmmaIntegers p) {
    begin_tile();
    wait_for_others();
    const int m = p.m, n = p.n, batch = blockIdx.z, a_at = p.a_batches > 1 ? batch : 0;
    const int2 tile = tile_of(blockIdx.x, (m + TILE - 1) / TILE, (n + TILE - 1) / TILE);
    const int row = tile.x * TILE, column = tile.y * TILE;
    const IntegerFinish &f = p.finish;
    const int *column_sums = f.column_sums + batch * p.sums_batch, *row_sums = f.row_sums ? f.row_sums + (i64)a_at * m : nullptr;
    __shared__ IntegerColumn columns[TILE];
    int sums[TILE / 2];
    if (!tile_sums(sums, &a, &b, row, column, p.k, a_at, p.b_batches > 1 ? batch : 0, [&] {
            if (threadIdx.x < TILE) columns[threadIdx.x] = column_of(f, min(column + (int)threadIdx.x, n - 1), column_sums, p.k);
        }))
        return;
    named_sync(1, 256);
    const IntegerScalars s = scalars_of(f);
    const i64 first = batch * p.c_batch;
    const z_element *z = (const z_element *)f.z;
    const bool is_even = n % 2 == 0;
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int to = row + first_row() + 8 * h;
        if (to >= m) continue;
        const int row_sum = row_sums ? row_sums[to] : 0;
#pragma unroll
        for (int j = 0; j < TILE / 8; j++) {
            const int inside = j * 8 + threadIdx.x % 4 * 2, at = column + inside;
            if (at >= n) continue;
            const int next = min(at + 1, n - 1);
            const i64 place = first + (i64)to * n + at;
            const float z0 = Z ? z_of(f, s, z[place]) : 0, z1 = Z ? z_of(f, s, z[place + next - at]) : 0;
            Pack<result, 2> y;
            y.at[0] = finish(f, s, columns[inside], sums[j * 4 + h * 2], row_sum, z0);
            y.at[1] = finish(f, s, columns[inside + 1], sums[j * 4 + h * 2 + 1], row_sum, z1);
            if (is_even) {
                *(Pack<result, 2> *)(p.c + place) = y;
            } else {
                p.c[place] = y.at[0];
                if (next > at) p.c[place + 1] = y.at[1];
            }
        }
    }
}
