// Products of halves and 8-bit floats by wgmma (sm_90a only), C [m][n] = finish(A [m][k] B [n][k]), for what a library's product does not finish
// itself. Macros: ELEMENT (0 half, 1 bf16, 5 as wgmma.cuh says), STAGES, and those of Finish. In front: product_tiles.cuh, bulk_copy.cuh, wgmma.cuh,
// wgmma_tile.cuh, which has the maps. Launch: ceil(n / 128) * ceil(m / 128) by 1 by batches blocks of 288 threads.

struct WgmmaProduct {
    result *c;
    int m, n, k, a_batches, b_batches;
    i64 c_batch;
    Finish finish;
};

// Sums of 8-bit floats take twice the registers.
extern "C" __global__ void __launch_bounds__(288, ELEMENT == 5 ? 1 : 2)
product_wgmma(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, const __grid_constant__ WgmmaProduct p) {
    begin_tile();
    wait_for_others();
    const int m = p.m, n = p.n, batch = blockIdx.z;
    const int2 tile = tile_of(blockIdx.x, (m + TILE - 1) / TILE, (n + TILE - 1) / TILE);
    const int row = tile.x * TILE, column = tile.y * TILE;
    float sums[TILE / 2];
    if (!tile_sums(sums, &a, &b, row, column, p.k, p.a_batches > 1 ? batch : 0, p.b_batches > 1 ? batch : 0, [] {})) return;
    result *c = p.c + batch * p.c_batch;
#pragma unroll
    for (int j = 0; j < TILE / 8; j++) {
        const int at = column + j * 8 + threadIdx.x % 4 * 2;
        if (at >= n) continue;
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int to = row + first_row() + 8 * h;
            if (to >= m) continue;
            Pack<result, 2> y;
            y.at[0] = narrow<result>(finish(p.finish, sums[j * 4 + h * 2], to, at));
            y.at[1] = narrow<result>(finish(p.finish, sums[j * 4 + h * 2 + 1], to, min(at + 1, n - 1)));
            result *place = c + (i64)to * n + at;
            if (n % 2 == 0) {
                *(Pack<result, 2> *)place = y;
            } else {
                place[0] = y.at[0];
                if (at + 1 < n) place[1] = y.at[1];
            }
        }
    }
}
