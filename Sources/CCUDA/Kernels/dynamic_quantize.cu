// DynamicQuantizeLinear: uint8 with the scale and zero point that cover the input and zero. Two launches of one grid, blocks of 256:
// `dynamic_range` leaves least and greatest element of each block's share, `dynamic_quantize` joins them and quantizes.
// ELEMENT 0: float, 1: half, 2: bf16. Behind elementwise.cuh.

#if ELEMENT == 0
typedef float Element;
#elif ELEMENT == 1
typedef half Element;
#else
typedef bf16 Element;
#endif

struct Arguments {
    const Element *x;
    u8 *y;
    float *scale;
    u8 *zero;
    float *ranges;
    u32 count, blocks;
};

/// The least of `low` and the greatest of `high` over the block, in all its threads.
DEVICE void join(float &low, float &high) {
    __shared__ float lows[8], highs[8];
    for (int i = 16; i > 0; i /= 2) {
        low = fminf(low, __shfl_xor_sync(0xffffffffu, low, i));
        high = fmaxf(high, __shfl_xor_sync(0xffffffffu, high, i));
    }
    if (threadIdx.x % 32 == 0) {
        lows[threadIdx.x / 32] = low;
        highs[threadIdx.x / 32] = high;
    }
    __syncthreads();
    for (int i = 0; i < 8; i++) {
        low = fminf(low, lows[i]);
        high = fmaxf(high, highs[i]);
    }
}

extern "C" __global__ void __launch_bounds__(256) dynamic_range(const __grid_constant__ Arguments a) {
    wait_for_others();
    float low = 0, high = 0;
#pragma unroll 8
    for (u32 i = blockIdx.x * 256 + threadIdx.x; i < a.count; i += gridDim.x * 256) {
        float x = widen(a.x[i]);
        low = fminf(low, x);
        high = fmaxf(high, x);
    }
    join(low, high);
    if (threadIdx.x == 0) {
        a.ranges[2 * blockIdx.x] = low;
        a.ranges[2 * blockIdx.x + 1] = high;
    }
}

extern "C" __global__ void __launch_bounds__(256) dynamic_quantize(const __grid_constant__ Arguments a) {
    wait_for_others();
    float low = 0, high = 0;
    for (u32 i = threadIdx.x; i < a.blocks; i += 256) {
        low = fminf(low, a.ranges[2 * i]);
        high = fmaxf(high, a.ranges[2 * i + 1]);
    }
    join(low, high);
    float scale = __fdiv_rn(high - low, 255.f);
    int zero = scale == 0 ? 0 : (int)rintf(fminf(fmaxf(__fdiv_rn(-low, scale), 0.f), 255.f));
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        if (a.scale) *a.scale = scale;
        if (a.zero) *a.zero = (u8)zero;
    }
    float divisor = scale == 0 ? 1.f : scale;
#pragma unroll 4
    for (u32 i = blockIdx.x * 256 + threadIdx.x; i < a.count; i += gridDim.x * 256) {
        a.y[i] = (u8)e_quantize(widen(a.x[i]), divisor, zero, 0, 255);
    }
}
