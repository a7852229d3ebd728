// Convolution as a product of positions with filters whose left side is never written: rows of the image are copied to shared memory
// tap by tap. [BM positions] x [BN channels] a block, 128 bytes of depth a step, STAGES steps under way.
//
// ELEMENT: of image and filters, 0 float16, 1 bfloat16, 2 float32 (tf32; EXACT 1: each factor as a sum of two, three products of them).
// OUT, ADDED: of the result and of what is added to it. SPLITS: blocks that share a tile's depth, a cluster (sm_90). VOLUME: three axes.
// WGMMA 1: products of a warpgroup (sm_90a, 16-bit elements; WARPS_N 1, WARPS_M a multiple of 4).
#if SPLITS > 1
#define CLUSTER __cluster_dims__(1, 1, SPLITS)
#else
#define CLUSTER
#endif

extern "C" __global__ void CLUSTER __launch_bounds__(THREADS)
    conv_mma(const element *x, const element *w, const float *bias, const added_element *added, out_element *y, const ConvParams p) {
    extern __shared__ __align__(1024) unsigned char memory[];
    const u32 base = shared_address(memory);
    u32 column_tile;
    const int row = p.tile.split(blockIdx.x, column_tile) * BM, column = column_tile * BN, group = blockIdx.y;
    const int all = (p.k + BK - 1) / BK;
    const int first = SPLITS > 1 ? all * blockIdx.z / SPLITS : 0, last = SPLITS > 1 ? all * (blockIdx.z + 1) / SPLITS : all;
    const int steps = last - first;
    const int thread_k = first * BK + threadIdx.x % 8 * CHUNK;
    Image image;
    Filters filters;
    image.begin(p, x + (i64)group * p.channels, row, thread_k);
    filters.begin(p, w + (i64)group * p.n * p.k, column, thread_k);
    const u32 to_a = base + place(threadIdx.x / 8, threadIdx.x % 8), to_b = to_a + BM * 128;

    Target target = {bias ? bias + group * p.n : bias, added, y};
    const i64 skip = p.planar ? (i64)group * p.n * p.plane_size() : group * p.n;
    if (added) target.added += skip;
    target.y += skip;

    // What is constant may come before the image is there.
    let_others_start();
    if (!p.fixed) wait_for_others();
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) filters.copy(p, to_b + s * STAGE);
        filters.advance();
    }
    wait_for_others();
#pragma unroll
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) image.copy(p, to_a + s * STAGE);
        image.advance(p);
        copies_commit();
    }

    const int begin = SPLITS > 1 ? BM / SPLITS * blockIdx.z : 0;
    Rows rows;
    rows.begin(p, target, column, begin, begin + BM / SPLITS);
    if (EARLY && !p.planar) rows.load(p, target, row, 0);

    const int warp = threadIdx.x / 32;
    Sums sums;
    sums.clear();
    const int warp_row = warp % WARPS_M * WM, warp_column = warp / WARPS_M * WN;
    int read = 0, write = STAGES - 1;
    for (int step = 0; step < steps; step++) {
        copies_wait<STAGES - 2>();
#if WGMMA
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        sums.wait();
        __syncthreads();
        sums.add(base + read * STAGE, base + read * STAGE + BM * 128, warp_row, warp_column);
#else
        __syncthreads();
#endif
        if (step + STAGES - 1 < steps) {
            image.copy(p, to_a + write * STAGE);
            filters.copy(p, to_b + write * STAGE);
            image.advance(p);
            filters.advance();
        }
        copies_commit();
#if !WGMMA
        sums.add(base + read * STAGE, base + read * STAGE + BM * 128, warp_row, warp_column);
#endif
        read = read + 1 == STAGES ? 0 : read + 1;
        write = write + 1 == STAGES ? 0 : write + 1;
    }
    copies_wait<0>();
    sums.wait();
    if (!EARLY && !p.planar) rows.load(p, target, row, 0);
    __syncthreads();
    float *tile = (float *)memory;
    sums.put(tile, warp_row, warp_column);
#if SPLITS > 1
    cluster_arrive();
    cluster_wait();
#else
    __syncthreads();
#endif
    if (p.planar) {
        target.planes(p, tile, row, column, begin, begin + BM / SPLITS, p.n * gridDim.y);
    } else {
        rows.store(p, target, tile, 0);
#pragma unroll 1
        for (int i = BATCH; i < STORES; i += BATCH) {
            rows.load(p, target, row, i);
            rows.store(p, target, tile, i);
        }
    }
#if SPLITS > 1
    cluster_arrive();
    cluster_wait();
#endif
}
