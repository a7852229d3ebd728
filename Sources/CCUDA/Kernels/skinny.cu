// Products of few rows: y[m][n] = finish(x[m][k] w[n][k]), where all time goes into reading w. Macros: ELEMENT (2 half, 3 bf16: tensor cores,
// m up to 8 * GROUPS; 1 float: ordinary arithmetic, m up to GROUPS), GROUPS, WARPS (which share the depth), and those of Finish.
// k is a multiple of 8 (float: 4), every row begins at a multiple of 16 bytes. `fixed`: w is constant, and read before others are done. Launch: ceil(n / 16) (float: ceil(n / 4)) by 1 by batches blocks
// of WARPS * 32 threads.

typedef ByNumber<ELEMENT>::type element;

DEVICE uint4 load_once(const void *from) {
    uint4 x;
    asm volatile("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "l"(from));
    return x;
}

#if ELEMENT == 1

extern "C" __global__ void __launch_bounds__(WARPS * 32)
skinny(const float *x, const float *w, result *y, int m, int n, int k, int fixed, i64 x_batch, i64 w_batch, i64 y_batch, const Finish f) {
    wait_for_others();
    __shared__ float all[WARPS][4][GROUPS];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, first = blockIdx.x * 4;
    x += blockIdx.z * x_batch;
    w += blockIdx.z * w_batch;
    float sums[4][GROUPS] = {};
    for (int at = (warp * 32 + lane) * 4; at < k; at += WARPS * 128) {
        float4 v[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const uint4 bits = load_once(w + (i64)min(first + i, n - 1) * k + at);
            v[i] = make_float4(__uint_as_float(bits.x), __uint_as_float(bits.y), __uint_as_float(bits.z), __uint_as_float(bits.w));
        }
#pragma unroll
        for (int j = 0; j < GROUPS; j++) {
            if (j >= m) break;
            const float4 u = *(const float4 *)(x + (i64)j * k + at);
#pragma unroll
            for (int i = 0; i < 4; i++) sums[i][j] += u.x * v[i].x + u.y * v[i].y + u.z * v[i].z + u.w * v[i].w;
        }
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
#pragma unroll
        for (int j = 0; j < GROUPS; j++) {
            float sum = sums[i][j];
#pragma unroll
            for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(~0u, sum, step);
            if (lane == 0) all[warp][i][j] = sum;
        }
    __syncthreads();
    for (int index = threadIdx.x; index < 4 * GROUPS; index += WARPS * 32) {
        const int column = first + index % 4, row = index / 4;
        if (column >= n || row >= m) continue;
        float sum = 0;
#pragma unroll
        for (int i = 0; i < WARPS; i++) sum += all[i][index % 4][row];
        y[blockIdx.z * y_batch + (i64)row * n + column] = narrow<result>(finish(f, sum, row, column));
    }
}

#else

#if ELEMENT == 2
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"
#else
#define MMA "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32"
#endif
DEVICE void multiply(float (&d)[4], u32 a0, u32 a1, u32 a2, u32 a3, u32 b0, u32 b1) {
    asm volatile(MMA " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]) : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// A warp's step takes 16 rows of w and a depth of 32, of which each thread has eight elements of two rows next to each other: which of them
// meet in one mma is the same for x, and does not matter to the sums.
extern "C" __global__ void __launch_bounds__(WARPS * 32)
skinny(const element *x, const element *w, result *y, int m, int n, int k, int fixed, i64 x_batch, i64 w_batch, i64 y_batch, const Finish f) {
    __shared__ float all[WARPS][16][8 * GROUPS + 1];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4, first = blockIdx.x * 16;
    x += blockIdx.z * x_batch;
    w += blockIdx.z * w_batch;
    const element *low = w + (i64)min(first + g, n - 1) * k, *high = w + (i64)min(first + g + 8, n - 1) * k;
    float sums[GROUPS][4] = {};
    constexpr int UNROLL = 4;
    const int begin = warp * 32 * UNROLL + t * 8;
    uint4 a[UNROLL][2];
    const auto load = [&](int at) {
#pragma unroll
        for (int i = 0; i < UNROLL; i++) {
            const bool there = at + i * 32 < k;
            a[i][0] = there ? load_once(low + at + i * 32) : make_uint4(0, 0, 0, 0);
            a[i][1] = there ? load_once(high + at + i * 32) : make_uint4(0, 0, 0, 0);
        }
    };
    if (!fixed) wait_for_others();
    load(begin);
    if (fixed) wait_for_others();
    for (int at = begin; at - t * 8 < k; at += WARPS * 32 * UNROLL) {
        if (at > begin) load(at);
#pragma unroll
        for (int i = 0; i < UNROLL; i++) {
#pragma unroll
            for (int j = 0; j < GROUPS; j++) {
                const int row = j * 8 + g;
                uint4 b = make_uint4(0, 0, 0, 0);
                if (row < m && at + i * 32 < k) b = *(const uint4 *)(x + (i64)row * k + at + i * 32);
                multiply(sums[j], a[i][0].x, a[i][1].x, a[i][0].y, a[i][1].y, b.x, b.y);
                multiply(sums[j], a[i][0].z, a[i][1].z, a[i][0].w, a[i][1].w, b.z, b.w);
            }
        }
    }
#pragma unroll
    for (int j = 0; j < GROUPS; j++)
#pragma unroll
        for (int i = 0; i < 4; i++) all[warp][g + i / 2 * 8][j * 8 + t * 2 + i % 2] = sums[j][i];
    __syncthreads();
    for (int index = threadIdx.x; index < 16 * m; index += WARPS * 32) {
        const int column = first + index % 16, row = index / 16;
        if (column >= n) continue;
        float sum = 0;
#pragma unroll
        for (int i = 0; i < WARPS; i++) sum += all[i][index % 16][row];
        y[blockIdx.z * y_batch + (i64)row * n + column] = narrow<result>(finish(f, sum, row, column));
    }
}

#endif
